import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { checkpointWeights, openCheckpoint } from '@esparse/checkpoint';
import { esparse, esparseJson, esparseUntil } from '../support/esparse.ts';
import { contentsOf, scratchFolder } from '../support/folders.ts';
import { bytesOfRun } from '../support/run-bytes.ts';
import { serve } from '../support/serve.ts';
import { EXAMPLE_CALIBRATION, EXAMPLE_EVALUATION, EXAMPLE_MODEL, REPOSITORY } from '../support/repository.ts';

const at = scratchFolder();
const PRUNED = [
  ...['--model', EXAMPLE_MODEL, '--calibration', EXAMPLE_CALIBRATION, '--samples', '4', '--seqlen', '64'],
];
const prune = (store: string, ...args: string[]) => ['prune', ...PRUNED, '--store', at(store), ...args];
const evaluate = async (...args: string[]) =>
  (await esparseJson('eval', '--text', at('text.txt'), '--seqlen', '128', ...args)).perplexity as number;

const INT4 = ['--pipeline', 'sparsegpt', '--set', 'values=int4', '--dense-values', 'int8'];

beforeAll(async () => {
  await writeFile(at('text.txt'), (await readFile(EXAMPLE_EVALUATION, 'utf8')).slice(0, 4_000));
  await esparseJson(...prune('int4', ...INT4));
});

test('int4 survivors and int8 embeddings: verified, seen by inspect, and evaluated alike by engine, ONNX Runtime and export', async () => {
  expect(await esparse('verify', '--store', at('int4'))).toMatchObject({ code: 0 });
  const { totals, blocks } = await esparseJson('inspect', '--store', at('int4'));
  const { bytes, denseBytes } = totals as Record<'bytes' | 'denseBytes', number>;
  // 3.25 bits of 16, and a little where 32 do not divide the survivors of a row.
  expect((16 * bytes) / denseBytes).toBeGreaterThan(3.2);
  expect((16 * bytes) / denseBytes).toBeLessThan(3.4);
  expect(blocks).toContainEqual(
    expect.objectContaining({
      linears: expect.arrayContaining([expect.objectContaining({ pattern: '2:4', values: 'int4' })]),
    }),
  );
  const stored = await evaluate('--store', at('int4'));
  expect((await evaluate('--store', at('int4'), '--engine', 'onnx')) / stored).toBeCloseTo(1, 4);
  await esparseJson('export', '--store', at('int4'), '--out', at('hf'), '--format', 'safetensors');
  expect((await evaluate('--model', at('hf'))) / stored).toBeCloseTo(1, 4);
  const config = JSON.parse(await readFile(at('hf', 'config.json'), 'utf8')) as Record<string, unknown>;
  expect(config.torch_dtype ?? config.dtype).toBe('float32');
});

test('a plan foresees the bytes of a finished run, whatever is an integer in it', async () => {
  const dense = ['--pattern', 'dense', '--pipeline', 'magnitude', '--dense-values', 'int4'];
  await esparseJson(...prune('planned', ...dense));
  for (const [store, args] of [
    ['int4', INT4],
    ['planned', dense],
  ] as const) {
    const planned = (await esparseJson('plan', ...PRUNED, ...args)) as {
      store: { bytes: number; arrays: number };
    };
    const { run } = JSON.parse(await readFile(at(store, 'current'), 'utf8')) as { run: string };
    const { arrays, all } = await bytesOfRun(at(store, 'runs', run));
    expect(planned.store.arrays).toBe(arrays);
    expect(Math.abs(planned.store.bytes / all - 1)).toBeLessThan(0.01);
  }
});

test('a Python reader of nothing but the bytes finds the weights that are exported', async () => {
  const reader = path.join(REPOSITORY, 'test/python/read_store.py');
  const { stdout } = await promisify(execFile)('python3', [reader, at('int4')]);
  interface Found {
    readonly linears: Record<string, { encoding: string; pattern: string; magnitudes: number }>;
  }
  const { dense, blocks } = JSON.parse(stdout) as { dense: Found; blocks: Record<string, Found> };
  await esparseJson('export', '--store', at('int4'), '--out', at('read'), '--format', 'safetensors');
  const checkpoint = await openCheckpoint(at('read'));
  const weights = checkpointWeights(checkpoint);
  const expectSame = async ({ linears }: Found, linear: string, tensor: string, pattern: string) => {
    const values = await weights.read(tensor);
    const sum = values.reduce((total, value) => total + Math.abs(value), 0);
    const { magnitudes, ...found } = linears[linear]!;
    expect(found).toMatchObject({ encoding: 'quantized-v1', pattern });
    expect(magnitudes / sum).toBeCloseTo(1, 9);
  };
  const table = 'model.embed_tokens.weight';
  await expectSame(dense, table, table, '1:1');
  await expectSame(blocks['1']!, 'down_proj', 'model.layers.1.mlp.down_proj.weight', '2:4');
  await checkpoint.close();
});

test('it is not tuned as a whole: survivors would be floats again', async () => {
  const tune = [
    'tune',
    '--model',
    EXAMPLE_MODEL,
    '--calibration',
    EXAMPLE_CALIBRATION,
    '--store',
    at('int4'),
  ];
  expect(await esparse(...tune)).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/has dense matrices in int8, which is not tuned as a whole/) as string,
  });
});

test('it is served, and says what its linears take', async () => {
  const server = await serve('--store', at('int4'), '--threads', '1');
  const info = (await (await fetch(`${server.url}/info`)).json()) as {
    weight_bytes: { linears: number; dense_linears: number; head: number };
  };
  const { linears, dense_linears: dense, head } = info.weight_bytes;
  expect((16 * linears) / dense).toBeGreaterThan(3.2);
  expect((16 * linears) / dense).toBeLessThan(3.4);
  expect(head).toBeGreaterThan(0);
  const response = await fetch(`${server.url}/v1/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'llama-2m', prompt: 'Once upon a time', max_tokens: 8, temperature: 0 }),
  });
  const { choices } = (await response.json()) as { choices: { text: string }[] };
  const args = ['--prompt', 'Once upon a time', '--max-tokens', '8', '--temperature', '0', '--json'];
  const generated = await esparseJson('generate', '--store', at('int4'), ...args);
  expect([response.status, choices[0]!.text]).toEqual([200, generated.text]);
  expect(await server.stop()).toBe(0);
});

test('an equal run has equal bytes', async () => {
  await esparseJson(...prune('again', ...INT4));
  expect(await contentsOf(at('again'))).toEqual(await contentsOf(at('int4')));
});

const TUNED = [
  ...['--pipeline', 'e-sparse-tune', '--shuffle', 'global', '--set', 'values=int4'],
  ...['--set', 'steps=8', '--set', 'batch=2', '--set', 'learningRate=1e-3'],
];

test('blocks are tuned with their integers: losses fall, what is stored is int4, and a run that was stopped goes on to the same bytes', async () => {
  await esparseJson(...prune('tuned', ...TUNED));
  const { blocks } = (await esparseJson('inspect', '--store', at('tuned'))) as {
    blocks: {
      linears: { values: string }[];
      stages: { heldOutBefore: number; heldOutAfter: number }[];
    }[];
  };
  for (const { linears, stages } of blocks) {
    expect(linears.map(({ values }) => values)).toEqual(linears.map(() => 'int4'));
    expect(stages[0]!.heldOutAfter).toBeLessThan(stages[0]!.heldOutBefore);
  }
  const stored = await evaluate('--store', at('tuned'));
  expect((await evaluate('--store', at('tuned'), '--engine', 'onnx')) / stored).toBeCloseTo(1, 4);
  const child = await esparseUntil(
    (line) => line.includes('"block":2,"phase":"tune"'),
    ...prune('ended', ...TUNED, '--json'),
  );
  child.kill('SIGKILL');
  await once(child, 'exit');
  await esparseJson(...prune('ended', ...TUNED, '--resume'));
  expect(await contentsOf(at('ended'))).toEqual(await contentsOf(at('tuned')));
});

test('linears left dense are tuned with their integers: losses fall, 3.5 bits a weight, and an equal run has equal bytes; no steps round them alone', async () => {
  const dense = (store: string, steps: number) => [
    ...['prune', '--model', EXAMPLE_MODEL, '--calibration', EXAMPLE_CALIBRATION, '--samples', '24'],
    ...['--seqlen', '64', '--store', at(store), '--layer', '*=dense', '--dense-values', 'int3'],
    ...['--pipeline', 'e-sparse-tune', '--set', `steps=${steps}`, '--set', 'batch=4'],
    ...['--set', 'learningRate=0.0003'],
  ];
  for (const store of ['dense-tuned', 'dense-again']) await esparseJson(...dense(store, 12));
  expect(await contentsOf(at('dense-again'))).toEqual(await contentsOf(at('dense-tuned')));
  const { blocks, totals } = (await esparseJson('inspect', '--store', at('dense-tuned'))) as {
    blocks: { stages: { heldOutBefore: number; heldOutAfter: number }[] }[];
    totals: Record<'bytes' | 'denseBytes', number>;
  };
  expect((16 * totals.bytes) / totals.denseBytes).toBeCloseTo(3.5, 5);
  for (const { stages } of blocks)
    expect(stages[0]!.heldOutAfter).toBeLessThan(0.9 * stages[0]!.heldOutBefore);
  const tuned = await evaluate('--store', at('dense-tuned'));
  expect((await evaluate('--store', at('dense-tuned'), '--engine', 'onnx')) / tuned).toBeCloseTo(1, 4);
  await esparseJson(...dense('dense-rounded', 0));
  expect(tuned).toBeLessThan(await evaluate('--store', at('dense-rounded')));
});

test('int3 survivors: 2.75 bits a weight, evaluated alike by engine and ONNX Runtime, and read by Python', async () => {
  await esparseJson(
    ...prune('int3', '--pipeline', 'sparsegpt', '--set', 'values=int3', '--dense-values', 'int3'),
  );
  const { totals } = await esparseJson('inspect', '--store', at('int3'));
  const { bytes, denseBytes } = totals as Record<'bytes' | 'denseBytes', number>;
  // A little more where 32 do not divide the survivors of a row.
  expect((16 * bytes) / denseBytes).toBeGreaterThan(2.7);
  expect((16 * bytes) / denseBytes).toBeLessThan(2.95);
  const stored = await evaluate('--store', at('int3'));
  expect((await evaluate('--store', at('int3'), '--engine', 'onnx')) / stored).toBeCloseTo(1, 4);
  await promisify(execFile)('python3', [path.join(REPOSITORY, 'test/python/read_store.py'), at('int3')]);
});

test('a model of which nothing is pruned may be int8: a baseline of its own', async () => {
  const dense = ['--pipeline', 'magnitude', '--layer', '*=dense', '--dense-values', 'int8'];
  await esparseJson(...prune('dense', ...dense));
  const stored = await evaluate('--store', at('dense'));
  expect(stored / (await evaluate('--model', EXAMPLE_MODEL))).toBeCloseTo(1, 2);
  const { totals } = await esparseJson('inspect', '--store', at('dense'));
  const { bytes, denseBytes } = totals as Record<'bytes' | 'denseBytes', number>;
  expect((16 * bytes) / denseBytes).toBeCloseTo(8.5, 5);
});

test('options of integers without integers, and values that there are not, are refused by name', async () => {
  expect(await esparse(...prune('no', '--set', 'group=16'))).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('values=int8 or values=int4'),
  });
  expect(await esparse(...prune('no', '--set', 'values=int5'))).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('values is "int5"'),
  });
});
