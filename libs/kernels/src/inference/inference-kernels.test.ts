/** Threads and instruction set belong to the kernels that were opened with them, and several go side by side. */
import { uniform } from '@esparse/laws';
import { denseCase, packedCase, randomInputs } from '../testing/linear-cases.ts';
import { pageFloats } from './attention.ts';
import { openInferenceKernels, type InferenceKernels } from './inference-kernels.ts';
import { instructionSets } from './instruction-set.ts';

const TOKENS = 40;
const SHAPE = { heads: 8, kvHeads: 2, headDim: 32, scale: 32 ** -0.5 };
const WIDTH = SHAPE.heads * SHAPE.headDim;
const LAYOUT = {
  positions: Int32Array.from({ length: TOKENS }, (_, i) => i),
  pageTableOffsets: new Int32Array(TOKENS),
  pageTable: Int32Array.of(2, 0, 1),
};
const LINEAR = { rows: 300, dtype: 'bf16', biased: true, odd: false, seed: 5 } as const;
const PACKED = packedCase({ ...LINEAR, groups: WIDTH / 4, keep: 2, group: 4, shuffled: true });
const DENSE = denseCase({ ...LINEAR, cols: WIDTH });
const RANDOM = uniform(3);
const X = randomInputs(TOKENS * WIDTH, false, RANDOM);
const KEY = randomInputs(TOKENS * SHAPE.kvHeads * SHAPE.headDim, false, RANDOM);

/** What a step does, each operation on enough elements that several threads take part. */
function step(kernels: InferenceKernels): Buffer {
  const outputs: Float32Array[] = [];
  const out = (length: number) => outputs[outputs.push(new Float32Array(length)) - 1]!;
  const weight = X.subarray(0, WIDTH);
  for (const weights of [PACKED, DENSE]) kernels.createLinear(weights).apply(X, TOKENS, out(TOKENS * 300));
  kernels.rmsNorm(X, weight, 1e-5, TOKENS, out(X.length));
  kernels.layerNorm(X, weight, weight, 1e-5, TOKENS, out(X.length));
  kernels.rope(X, { ...SHAPE, rotated: 24 }, { cos: X, sin: X }, LAYOUT.positions, TOKENS, out(X.length));
  const cache = new Float32Array(3 * pageFloats(SHAPE));
  kernels.attention(X, KEY, KEY, cache, SHAPE, LAYOUT, TOKENS, out(X.length));
  kernels.gatedSilu(X, X, X.length, out(X.length));
  kernels.gatedGelu(X, X, X.length, out(X.length));
  kernels.gelu(X, X.length, out(X.length));
  kernels.relu(X, X.length, out(X.length));
  kernels.scale(X, 0.3, X.length, out(X.length));
  kernels.add(X, X, X.length, out(X.length));
  const rows = Uint32Array.of(3, 1);
  kernels.gatherRows({ dtype: 'f32', data: X, cols: WIDTH }, rows, 2, out(2 * WIDTH));
  return Buffer.concat(outputs.map(({ buffer }) => Buffer.from(buffer as ArrayBuffer)));
}

test('kernels of several numbers of threads and instruction sets in one process give the same bits', () => {
  const expected = step(openInferenceKernels({ instructionSet: 'reference' }));
  const options = [undefined, ...instructionSets()].flatMap((instructionSet) =>
    [1, 2, 5].map((threads) => ({ instructionSet, threads })),
  );
  const all = options.map(openInferenceKernels);
  for (let round = 0; round < 3; round++) {
    for (const kernels of all) {
      const { threads, instructionSet } = kernels;
      const same = Buffer.compare(step(kernels), expected) === 0;
      expect({ threads, instructionSet, same }).toEqual({ threads, instructionSet, same: true });
    }
  }
});

test('kernels keep the threads and the instruction set that they were opened with', () => {
  const fastest = openInferenceKernels();
  const one = openInferenceKernels({ threads: 1, instructionSet: 'portable' });
  const two = openInferenceKernels({ threads: 2 });
  for (const kernels of [two, one, fastest]) step(kernels);
  expect([one.threads, two.threads]).toEqual([1, 2]);
  expect([one, two, fastest].map(({ instructionSet }) => instructionSet)).toEqual([
    'portable',
    instructionSets()[0],
    instructionSets()[0],
  ]);
  expect(openInferenceKernels().threads).toBe(fastest.threads);
});

test.each([0, -1, 1.5, 1000, NaN])('%d threads are refused', (threads) => {
  expect(() => openInferenceKernels({ threads })).toThrow(expect.objectContaining({ kind: 'usage' }));
});
