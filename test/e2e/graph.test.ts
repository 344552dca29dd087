import { readFile, writeFile } from 'node:fs/promises';
import { decodeModel, openCheckpoint, openSamples, tensorToF32 } from '@esparse/checkpoint';
import { describePrunableCheckpoint, isGraph, type GraphDescription } from '@esparse/model';
import { runTensors } from '@esparse/model-store';
import { createTensorSession } from '@esparse/onnx';
import { openStore } from '@esparse/store';
import { esparse, esparseJson } from '../support/esparse.ts';
import { scratchFolder } from '../support/folders.ts';
import { floats, npzOf, numbers, pruneSmallRun, writeSmallRun } from '../support/small-graph.ts';

const at = scratchFolder();
const SAMPLES = 6;
const model = () => at('net.onnx');
const prune = (store: string, ...args: string[]) => pruneSmallRun(at(), store, ...args);

let exported: object;
beforeAll(async () => {
  await writeSmallRun(at(), SAMPLES);
  await esparseJson(...prune('whole', '--pattern', '2:4'));
  exported = await esparseJson('export', '--store', at('whole'), '--format', 'onnx', '--out', at('out.onnx'));
});

/** What a graph makes of the data. */
async function outputs(file: string): Promise<Float32Array[]> {
  const checkpoint = await openCheckpoint(model());
  const description = describePrunableCheckpoint(checkpoint) as GraphDescription;
  await checkpoint.close();
  const samples = await openSamples(at('data.npz'), { inputs: description.graph.inputs });
  const session = await createTensorSession(await readFile(file), { what: file, threads: 1 });
  const found: Float32Array[] = [];
  for (let i = 0; i < samples.count; i++) {
    const { bytes } = (await session.run(samples.sample(i), ['y'])).get('y')!;
    found.push(new Float32Array(new Uint8Array(bytes).buffer));
  }
  await session.release();
  return found;
}

test('every matrix is pruned along its channels, the groups in the order of the store, and the exported file has those weights', async () => {
  expect(exported).toMatchObject({ files: 1, format: 'onnx' });
  const run = await (await openStore(at('whole'))).openRun();
  const written = await openCheckpoint(at('out.onnx'));
  const description = describePrunableCheckpoint(written);
  if (!isGraph(description)) throw new Error('no graph');
  const tensors = runTensors(run, description);
  const names = description.graph.linears.map(({ name }) => name);
  expect(names).toEqual([
    ...['c1', 'c3.group0', 'c3.group1', 'c4'],
    ...['y5.input', 'y5.state', 'y5.input_reverse', 'y5.state_reverse', 'g6', 'y'],
  ]);
  for (const { name, rows, cols } of description.graph.linears) {
    const weights = await tensorToF32('F32', await written.read(name));
    const { permutation } = (await tensors.order(name))!;
    for (let row = 0; row < rows; row++) {
      for (let group = 0; group < cols; group += 4) {
        const kept = [0, 1, 2, 3].filter((i) => weights[row * cols + permutation[group + i]!] !== 0);
        expect(kept.length).toBeLessThanOrEqual(2);
      }
    }
    // Half of it is there.
    expect(weights.filter((weight) => weight !== 0).length / weights.length).toBeCloseTo(0.5, 1);
  }
  await written.close();
  // What is no matrix of a linear is as it was: the depthwise convolution, and every bias.
  const [before, after] = await Promise.all([readFile(model()), readFile(at('out.onnx'))]);
  const constantOf = (file: Uint8Array, name: string) =>
    decodeModel(file, 'it').graph.initializer.find((tensor) => tensor.name === name)!.raw_data;
  for (const name of ['w2', 'b1', 'b6']) {
    expect(Buffer.compare(constantOf(before, name), constantOf(after, name))).toBe(0);
  }
});

test('the exported graph runs, and is nearer to the dense one with reconstruction than without', async () => {
  const dense = await outputs(model());
  const errorOf = async (file: string) => {
    const pruned = await outputs(file);
    let [error, power] = [0, 0];
    dense.forEach((values, i) => {
      values.forEach((value, j) => {
        error += (pruned[i]![j]! - value) ** 2;
        power += value ** 2;
      });
    });
    return error / power;
  };
  await esparseJson(...prune('rebuilt', '--pipeline', 'e-sparse-reconstruct'));
  await esparseJson('export', '--store', at('rebuilt'), '--format', 'onnx', '--out', at('rebuilt.onnx'));
  const [plain, rebuilt] = [await errorOf(at('out.onnx')), await errorOf(at('rebuilt.onnx'))];
  expect(rebuilt).toBeGreaterThan(0);
  expect(rebuilt).toBeLessThan(plain);
  expect(plain).toBeLessThan(1);
});

test('plan, graph, inspect and report show the steps, and what is left as it is', async () => {
  const plan = await esparseJson('plan', '--model', model(), '--calibration', at('data.npz'));
  const steps = plan.steps as { linears: { name: string }[]; sample: { state: number } }[];
  expect(steps.map(({ linears }) => linears.map(({ name }) => name))).toEqual([
    ['c1'],
    ['c3.group0', 'c3.group1'],
    ['c4'],
    ['y5.input', 'y5.state', 'y5.input_reverse', 'y5.state_reverse'],
    ['g6'],
    ['y'],
  ]);
  // One value of (1, 4, 8, 8) with what it says of itself: its number, type and sizes.
  expect(steps[0]!.sample.state).toBe(4 * (4 * 64 + 7));
  const totals = (plan.steps as { sample: { state: number; taps: number } }[]).map(
    ({ sample: { state, taps } }) => state + taps,
  );
  const bytes = Math.max(...totals);
  expect(plan.largest).toEqual({ step: totals.indexOf(bytes), bytes });
  expect(plan.left).toEqual([
    expect.objectContaining({ node: 'c2', why: expect.stringContaining('depthwise') }),
  ]);
  expect((await esparse('graph', '--model', model())).stdout).toContain('c4, 16 x 144, step 2');
  expect((await esparse('inspect', '--store', at('whole'))).stdout).toContain('onnx, 6 steps');
  expect((await esparse('report', '--store', at('whole'), '--out', at('report.html'))).code).toBe(0);
});

test('graphs are measured by labels, by outputs as they should be, and against the first of them', async () => {
  const dense = await outputs(model());
  // Four rows of each picture.
  const rows = dense.flatMap((values) => [0, 8, 16, 24].map((row) => values.slice(row, row + 8)));
  const wanted = rows.map((row) => row.indexOf(Math.max(...row)));
  await writeFile(
    at('labelled.npz'),
    npzOf({
      x: floats(numbers(SAMPLES * 4 * 64, 99), SAMPLES, 4, 8, 8),
      labels: { type: 6, shape: [4 * SAMPLES], bytes: new Uint8Array(Int32Array.from(wanted).buffer) },
      y: floats(Float32Array.from(dense.flatMap((values) => [...values])), SAMPLES, 4, 8),
    }),
  );
  const data = ['--data', at('labelled.npz')];
  const { models } = await esparseJson(
    'eval',
    '--model',
    model(),
    ...data,
    '--compare',
    at('whole'),
    at('out.onnx'),
  );
  const [own, stored, file] = models as Record<string, unknown>[];
  expect(own).toMatchObject({
    samples: SAMPLES,
    hits: { top1: 1, top5: 1 },
    targets: { y: { meanSquaredError: 0 } },
  });
  expect(own).not.toHaveProperty('first');
  const { first, targets } = stored as { first: { y: object }; targets: { y: object } };
  expect(first.y).toEqual(targets.y);
  expect({ ...stored, model: '' }).toEqual({ ...file, model: '' });
  const alone = await esparse('eval', '--store', at('whole'), ...data);
  expect(alone.stdout).toContain('top-1');
  const missing = await esparse('eval', '--store', at('whole'), '--text', at('labelled.npz'));
  expect(missing.code).toBe(2);
});
