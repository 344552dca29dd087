/** Every instruction set gives the same bits: each is forced in a process of its own. */
import { execFileSync, spawnSync } from 'node:child_process';
import path from 'node:path';
import { openInferenceKernels } from './inference-kernels.ts';
import { instructionSets } from './instruction-set.ts';

const SCRIPT = `
import { createHash } from 'node:crypto';
import { openInferenceKernels, pageFloats } from ${JSON.stringify(path.join(import.meta.dirname, '../../dist/index.js'))};
const { add, attention, gatedGelu, gatedSilu, gatherRows, gelu, layerNorm, relu, rmsNorm, rope, scale } = openInferenceKernels();
const hash = createHash('sha256');
const floats = (length, scale) => Float32Array.from({ length }, (_, i) => Math.sin(i * i + length) * scale);
const keep = (y) => hash.update(y);
for (const n of [7, 48, 500]) {
  const [x, w, y] = [floats(n, 4), floats(n, 1), new Float32Array(n)];
  rmsNorm(x, w, 1e-5, 1, y);
  keep(y);
  gatedSilu(x, w, n, y);
  keep(y);
  layerNorm(x, w, floats(n, 2), 1e-5, 1, y);
  keep(y);
  add(x, w, n, y);
  keep(y);
  relu(x, n, y);
  keep(y);
  gatedGelu(x, w, n, y);
  keep(y);
  gelu(x, n, y);
  keep(y);
  scale(x, 0.3, n, y);
  keep(y);
  rope(x, { heads: 1, headDim: n, rotated: n - (n % 2) }, { cos: w, sin: floats(n, 2) }, Int32Array.of(0), 1, y);
  keep(y);
  gatherRows({ dtype: 'f32', data: x, cols: n }, Uint32Array.of(0), 1, y);
  keep(y);
}
for (const [heads, kvHeads, headDim] of [[1, 1, 6], [6, 2, 32], [7, 1, 80], [4, 2, 64]]) {
  const tokens = 75;
  const shape = { heads, kvHeads, headDim, scale: headDim ** -0.5, window: heads === 7 ? 20 : undefined };
  const positions = Int32Array.from({ length: tokens }, (_, i) => i);
  const layout = { positions, pageTableOffsets: new Int32Array(tokens), pageTable: Int32Array.of(4, 2, 0, 1, 3) };
  const out = new Float32Array(tokens * heads * headDim);
  const kv = tokens * kvHeads * headDim;
  const cache = new Float32Array(5 * pageFloats(shape));
  attention(floats(out.length, 3), floats(kv, 2), floats(kv + 1, 1), cache, shape, layout, tokens, out);
  keep(out);
}
console.log(hash.digest('hex'));
`;

function digest(env: Record<string, string>): string {
  const args = ['--input-type=module', '-e', SCRIPT];
  return execFileSync(process.execPath, args, { env: { ...process.env, ...env } }).toString();
}

test('every instruction set, and the reference, gives the same bits', () => {
  const expected = digest({ ESPARSE_KERNELS: 'reference' });
  expect(instructionSets().length).toBeGreaterThan(0);
  for (const set of [...instructionSets(), 'reference']) {
    expect([set, digest({ ESPARSE_ISA: set })]).toEqual([set, expected]);
  }
});

test('an instruction set that is not there is refused when kernels are opened', () => {
  const args = ['--input-type=module', '-e', SCRIPT];
  const { status, stderr } = spawnSync(process.execPath, args, {
    env: { ...process.env, ESPARSE_ISA: 'mmx' },
  });
  expect(status).toBe(1);
  expect(stderr.toString()).toContain('ESPARSE_ISA asks for mmx, which is not there');
  const absent = process.arch === 'arm64' ? 'avx2' : 'neon';
  expect(() => openInferenceKernels({ instructionSet: absent })).toThrow(
    expect.objectContaining({ kind: 'unsupported', message: expect.stringContaining(absent) }),
  );
});
