import path from 'node:path';
import { esparse, esparseJson, esparseJsonWith, esparseWith } from '../support/esparse.ts';
import { scratchFolder } from '../support/folders.ts';
import { EXAMPLE_CALIBRATION, EXAMPLE_MODEL } from '../support/repository.ts';
import { bytesOfRun } from '../support/run-bytes.ts';

const at = scratchFolder();

interface Plan {
  readonly blocks: number;
  readonly uncounted: readonly string[];
  readonly store: { readonly bytes: number; readonly arrays: number; readonly hidden: number };
  readonly wire: { readonly pruner: number; readonly worker: number };
  readonly memory: { readonly pruner: number; readonly worker: number };
  readonly spilled: number;
  readonly seconds: { readonly total: number };
}

const plan = async (...args: string[]) =>
  (await esparseJson('plan', '--model', EXAMPLE_MODEL, ...args)) as unknown as Plan;

test.each([
  ['2:4 in statistics of the pruner', []],
  [
    '4:8 without a shuffle, combined in the worker',
    ['--pattern', '4:8', '--shuffle', 'none', '--combine', 'worker'],
  ],
  ['magnitude, which reads no activations', ['--pipeline', 'magnitude']],
  ['SparseGPT', ['--pipeline', 'sparsegpt']],
])('%s: what was planned is what a run takes', async (name, options) => {
  const args = ['--samples', '8', '--seqlen', '64', ...options];
  const planned = await plan(...args);
  const store = at(name.replaceAll(/\W/g, '-'));
  const report = await esparseJson(
    ...['prune', '--model', EXAMPLE_MODEL, '--calibration', EXAMPLE_CALIBRATION, '--store', store, ...args],
  );
  expect(planned.blocks).toBe(report.blocks);
  expect(planned.uncounted).toEqual([]);
  const { arrays, all } = await bytesOfRun(path.join(store, 'runs', String(report.run)));
  expect(planned.store.arrays).toBe(arrays);
  expect(Math.abs(planned.store.bytes / all - 1)).toBeLessThan(0.01);

  const wire = report.wireBytes as number;
  if (options.includes('worker')) expect(wire).toBeLessThan(planned.wire.worker + 64 * 1024);
  else {
    // Beside the activations: their headers, and the calls.
    expect(wire).toBeGreaterThanOrEqual(planned.wire.pruner);
    expect(wire).toBeLessThan(planned.wire.pruner * 1.01 + 64 * 1024);
  }
  const peaks = report.peakResidentBytes as { pruner: number; workers: number[] };
  expect(peaks.pruner).toBeLessThan(planned.memory.pruner);
  expect(Math.max(...peaks.workers)).toBeLessThan(planned.memory.worker);
});

test('a plan needs neither a text nor a store, and says the same for people', async () => {
  const { code, stdout } = await esparse('plan', '--model', EXAMPLE_MODEL, '--workers', '3');
  expect(code).toBe(0);
  for (const line of ['blocks', 'over the wire', 'memory of a worker', 'seconds, total', 'GFLOP/s'])
    expect(stdout).toContain(line);
});

test('the reconstruction is planned too: its options, what the Hessians hold, and its time', async () => {
  const args = ['--samples', '8', '--seqlen', '64'];
  const plain = await plan(...args);
  const solving = await plan(...args, '--pipeline', 'e-sparse-reconstruct', '--set', 'steps=10');
  expect(solving).toMatchObject({
    statistics: ['entropy', 'amplitude', 'gram', 'drift', 'row-sample'],
    steps: [
      { kind: 'metric', name: 'e-sparse' },
      { kind: 'shuffle', name: 'both' },
      { kind: 'stage', name: 'reconstruct', options: { steps: 10 } },
    ],
    uncounted: [],
  });
  // The dense model's hidden states lie beside.
  expect(solving.store).toEqual({ ...plain.store, hidden: 2 * plain.store.hidden });
  expect(solving.memory.pruner).toBeGreaterThan(plain.memory.pruner);
  const report = await esparseJson(
    ...['prune', '--model', EXAMPLE_MODEL, '--calibration', EXAMPLE_CALIBRATION, ...args],
    ...['--store', at('solving'), '--pipeline', 'e-sparse-reconstruct', '--set', 'steps=10'],
  );
  const { arrays } = await bytesOfRun(path.join(at('solving'), 'runs', String(report.run)));
  expect(solving.store.arrays).toBe(arrays);
  // Of four blocks the last three are streamed for both models.
  expect(solving.wire.pruner).toBe(1.75 * plain.wire.pruner);
  expect(report.wireBytes).toBeGreaterThanOrEqual(solving.wire.pruner);
  expect(report.wireBytes).toBeLessThan(solving.wire.pruner * 1.01 + 64 * 1024);
  const peaks = report.peakResidentBytes as { pruner: number; workers: number[] };
  expect(peaks.pruner).toBeLessThan(solving.memory.pruner);
  expect(Math.max(...peaks.workers)).toBeLessThan(solving.memory.worker);
});

test('what prune --combine worker would refuse, a plan does not offer', async () => {
  for (const pipeline of ['e-sparse-reconstruct', 'sparsegpt', 'magnitude']) {
    const { stdout } = await esparse('plan', '--model', EXAMPLE_MODEL, '--pipeline', pipeline);
    expect(stdout).toContain('over the wire, --combine pruner');
    expect(stdout.includes('over the wire, --combine worker')).toBe(pipeline === 'magnitude');
  }
  const { code } = await esparse(
    ...['plan', '--model', EXAMPLE_MODEL, '--pipeline', 'sparsegpt', '--combine', 'worker'],
  );
  expect(code).toBe(2);
});

test('what Hessians do not find room for in memory is planned as a temporary file', async () => {
  const args = [
    'plan',
    '--model',
    EXAMPLE_MODEL,
    '--pipeline',
    'sparsegpt',
    '--samples',
    '8',
    '--seqlen',
    '64',
  ];
  const within = async (gibibytes: string) => {
    const env = { ...process.env, ESPARSE_HESSIAN_MEMORY: gibibytes };
    return (await esparseJsonWith({ env }, ...args)) as unknown as Plan;
  };
  const [roomy, none] = [await within('2'), await within('0')];
  expect(roomy.spilled).toBe(0);
  expect(none.spilled).toBeGreaterThan(0);
  const { stdout } = await esparseWith({ ...process.env, ESPARSE_HESSIAN_MEMORY: '0' }, ...args);
  expect(stdout).toContain('temporary file of the pruner, at most');
});

test('statistics of a paper-sized calibration take a hundredth of its activations', async () => {
  const { wire } = await plan('--samples', '128', '--seqlen', '2048');
  expect(wire.pruner / wire.worker).toBeGreaterThan(100);
});

test('a model that cannot be pruned is refused as prune refuses it', async () => {
  const { code, stderr } = await esparse('plan', '--model', EXAMPLE_MODEL, '--pattern', '2:7');
  expect(code).toBe(2);
  expect(stderr).toContain('not a multiple of the 7 of pattern 2:7');
});
