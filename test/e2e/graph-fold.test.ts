import { readFile, writeFile } from 'node:fs/promises';
import {
  graphFile,
  openCheckpoint,
  tensorToF32,
  type ConstantInput,
  type NodeInput,
} from '@esparse/checkpoint';
import { describePrunableCheckpoint, isGraph } from '@esparse/model';
import { createTensorSession } from '@esparse/onnx';
import { esparse, esparseJson } from '../support/esparse.ts';
import { scratchFolder } from '../support/folders.ts';
import { floats, npzOf, numbers } from '../support/small-graph.ts';

const at = scratchFolder();
const [SAMPLES, C] = [8, 16];

/**
 * Convolutions of one position with all that may stand between them: normalisation, activations, a depthwise convolution, a
 * gate made of what it gates, a skip, pooling; then matrices.
 */
function network(): Uint8Array {
  const constants: Record<string, ConstantInput> = {};
  const nodes: NodeInput[] = [];
  const weight = (...shape: number[]) => {
    const count = shape.reduce((product, size) => product * size, 1);
    const name = `w${Object.keys(constants).length}`;
    constants[name] = {
      shape,
      data: numbers(count, 7 * nodes.length + 3, 1.7 / Math.sqrt(count / shape[0]!)),
    };
    return name;
  };
  const positive = (size: number) => {
    const name = weight(size);
    constants[name] = {
      shape: [size],
      data: numbers(size, nodes.length + 90, 0.3).map((value) => 1 + value),
    };
    return name;
  };
  const add = (op: string, output: string, inputs: string[], attributes: NodeInput['attributes'] = {}) => {
    nodes.push({ op, inputs, outputs: [output], attributes });
    return output;
  };
  const a = add('Conv', 'a', ['x', weight(C, 4, 1, 1), weight(C)]);
  const norm = add('BatchNormalization', 'an', [a, positive(C), weight(C), weight(C), positive(C)]);
  const relu = add('Relu', 'ar', [norm]);
  const deep = add('Conv', 'deep', [relu, weight(C, 1, 3, 3), weight(C)], { group: C, pads: [1, 1, 1, 1] });
  constants.half = { shape: [], data: Float32Array.of(0.5) };
  const half = 'half';
  const b = add('Conv', 'b', [add('Mul', 'scaled', [deep, half]), weight(C, C, 1, 1), weight(C)]);
  // x * sigmoid(conv(pool(x))), as squeeze and excitation.
  const gate = add('Sigmoid', 'gate', [
    add('Conv', 'g', [add('GlobalAveragePool', 'p', [b]), weight(C, C, 1, 1)]),
  ]);
  const gated = add('Mul', 'gated', [b, gate]);
  const c = add('Conv', 'c', [gated, weight(2 * C, C, 1, 1), weight(2 * C)]);
  // Three by three: its own groups span positions.
  const d = add('Conv', 'd', [
    add('MaxPool', 'm', [c], { kernel_shape: [2, 2], strides: [2, 2] }),
    weight(8, 2 * C, 3, 3),
  ]);
  constants.flat = { shape: [2], data: BigInt64Array.of(-1n, 32n) };
  const e = add('Gemm', 'e', [add('Reshape', 'flattened', [d, 'flat']), weight(24, 32), weight(24)], {
    transB: 1,
  });
  const f = add('MatMul', 'f', [add('Tanh', 'et', [e]), weight(24, 16)]);
  const biased = add('Add', 'fb', [f, weight(16)]);
  add('MatMul', 'y', [add('Relu', 'fr', [biased]), weight(16, 8)]);
  return graphFile({ inputs: [{ name: 'x', shape: [1, 4, 8, 8] }], constants, nodes, outputs: ['y'] });
}

async function outputs(file: string): Promise<number[]> {
  const session = await createTensorSession(await readFile(file), { what: file, threads: 1 });
  const all: number[] = [];
  for (let i = 0; i < SAMPLES; i++) {
    const x = floats(numbers(256, 50 + i), 1, 4, 8, 8);
    const { bytes } = (await session.run(new Map([['x', x]]), ['y'])).get('y')!;
    all.push(...new Float32Array(new Uint8Array(bytes).buffer));
  }
  await session.release();
  return all;
}

test('orders are folded into what makes the inputs: the same outputs, and groups of four in a row', async () => {
  await writeFile(at('net.onnx'), network());
  await writeFile(at('data.npz'), npzOf({ x: floats(numbers(SAMPLES * 256, 5), SAMPLES, 4, 8, 8) }));
  const run = ['--model', at('net.onnx'), '--calibration', at('data.npz'), '--store', at('store')];
  await esparseJson('prune', ...run);
  const exported = (out: string, ...args: string[]) =>
    esparseJson('export', '--store', at('store'), '--format', 'onnx', '--out', at(out), ...args);
  await exported('plain.onnx');
  const { linears } = await exported('folded.onnx', '--fold');
  const fates = Object.fromEntries(
    (linears as { linear: string; order: string }[]).map(({ linear, order }) => [linear, order]),
  );
  expect(fates).toMatchObject({
    b: 'folded',
    c: 'folded',
    d: 'kernel',
    e: 'fixed',
    f: 'folded',
    y: 'folded',
  });
  // What reads the data has nothing before it; the gate reads what is in the order of `c`.
  expect(['fixed', 'contiguous']).toContain(fates.a);
  expect(fates.g).toBe('fixed');
  const [plain, folded] = [await outputs(at('plain.onnx')), await outputs(at('folded.onnx'))];
  plain.forEach((value, i) => {
    expect(folded[i]).toBeCloseTo(value, 4);
  });
  expect(plain.some((value) => Math.abs(value) > 0.01)).toBe(true);

  const checkpoint = await openCheckpoint(at('folded.onnx'));
  const description = describePrunableCheckpoint(checkpoint);
  if (!isGraph(description)) throw new Error('no graph');
  for (const { name, rows, cols } of description.linears) {
    if (fates[name] !== 'folded' && fates[name] !== 'contiguous') continue;
    const weights = await tensorToF32('F32', await checkpoint.read(name));
    for (let at = 0; at < rows * cols; at += 4) {
      expect(weights.slice(at, at + 4).filter((value) => value !== 0).length).toBeLessThanOrEqual(2);
    }
  }
  await checkpoint.close();
  // Among foldable orders all matrices that are pruned have their groups in a row, a kernel of three by three too.
  const foldable = ['--model', at('net.onnx'), '--calibration', at('data.npz'), '--store', at('foldable')];
  await esparseJson('prune', ...foldable, '--shuffle', 'foldable');
  const report = async (out: string, ...args: string[]) =>
    esparseJson('export', '--store', at('foldable'), '--format', 'onnx', '--out', at(out), ...args);
  await report('foldable-plain.onnx');
  const all = (await report('foldable.onnx', '--fold')).linears as { linear: string; order: string }[];
  expect(all.filter(({ order }) => order !== 'folded' && order !== 'contiguous')).toEqual([]);
  expect(all.find(({ linear }) => linear === 'd')!.order).toBe('folded');
  const [own, moved] = [await outputs(at('foldable-plain.onnx')), await outputs(at('foldable.onnx'))];
  own.forEach((value, i) => {
    expect(moved[i]).toBeCloseTo(value, 4);
  });

  const said = await esparse(
    'export',
    '--store',
    at('store'),
    '--format',
    'onnx',
    '--out',
    at('said.onnx'),
    '--fold',
  );
  expect(said.stdout).toContain('since their groups cross positions of the kernel: d (1 block)');
});
