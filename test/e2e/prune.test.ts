import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { esparse, esparseJson, esparseUntil } from '../support/esparse.ts';
import { contentsOf, scratchFolder } from '../support/folders.ts';
import { EXAMPLE_CALIBRATION, EXAMPLE_EVALUATION, EXAMPLE_MODEL, REPOSITORY } from '../support/repository.ts';
import { bytesOfRun } from '../support/run-bytes.ts';

const at = scratchFolder();
const MODEL = ['--model', EXAMPLE_MODEL];
const SIZE = ['--samples', '8', '--seqlen', '64'];
const SMALL = [...MODEL, '--calibration', EXAMPLE_CALIBRATION, ...SIZE];
const prune = (store: string, ...args: string[]) =>
  esparseJson('prune', ...SMALL, '--store', at(store), ...args);
const evaluate = async (...args: string[]) =>
  (await esparseJson('eval', '--text', at('text.txt'), '--seqlen', '128', ...args)).perplexity as number;

/** What the run of the store "whole" reported. */
let report: Record<string, unknown>;
beforeAll(async () => {
  await writeFile(at('text.txt'), (await readFile(EXAMPLE_EVALUATION, 'utf8')).slice(0, 20_000));
  report = await prune('whole');
});

test('a pruned model has half its weights, evaluates from its store alone, and is sound', async () => {
  expect(report).toMatchObject({ event: 'finished', blocks: 4 });
  expect((report.linearBytes as number) / (report.denseLinearBytes as number)).toBe(0.5625);
  expect(report.keptScoreGain).toBeGreaterThan(0.01);

  const dense = await evaluate('--model', EXAMPLE_MODEL);
  const sparse = await evaluate('--store', at('whole'));
  expect(sparse).toBeGreaterThan(dense);
  expect(sparse).toBeLessThan(10 * dense);

  await expect(esparse('verify', '--store', at('whole'))).resolves.toMatchObject({ code: 0 });
  const inspected = await esparseJson('inspect', '--store', at('whole'));
  expect(inspected).toMatchObject({
    run: report.run,
    finished: true,
    pattern: '2:4',
    pipeline: 'e-sparse',
  });
  const blocks = inspected.blocks as {
    committed: boolean;
    linears: { name: string; denseBytes: number; bytes: number }[];
  }[];
  expect(blocks.map(({ committed }) => committed)).toEqual([true, true, true, true]);
  expect(blocks[0]!.linears.map(({ name }) => name)).toEqual([
    'q_proj',
    'k_proj',
    'v_proj',
    'o_proj',
    'gate_proj',
    'up_proj',
    'down_proj',
  ]);
  for (const { bytes, denseBytes } of blocks.flatMap(({ linears }) => linears))
    expect(bytes / denseBytes).toBe(0.5625);
});

test('a Python reader of nothing but the bytes finds exactly 2 of every 4 in the shuffled order', async () => {
  const reader = path.join(REPOSITORY, 'test/python/read_store.py');
  const { stdout } = await promisify(execFile)('python3', [reader, at('whole')]);
  const { blocks } = JSON.parse(stdout) as {
    blocks: Record<string, { linears: Record<string, PythonLinear> }>;
  };
  const linears = Object.values(blocks).flatMap((block) => Object.values(block.linears));
  expect(linears).toHaveLength(28);
  for (const { pattern, permuted, rows, cols, kept } of linears) {
    expect({ pattern, permuted, kept }).toEqual({ pattern: '2:4', permuted: true, kept: (rows * cols) / 2 });
  }
});

interface PythonLinear {
  readonly pattern: string;
  readonly permuted: boolean;
  readonly rows: number;
  readonly cols: number;
  readonly kept: number;
}

test('it has taken what was planned', async () => {
  const planned = (await esparseJson('plan', ...MODEL, ...SIZE)) as {
    readonly uncounted: readonly string[];
    readonly store: { readonly bytes: number; readonly arrays: number };
    readonly wire: { readonly pruner: number };
    readonly memory: { readonly pruner: number; readonly worker: number };
  };
  expect(planned.uncounted).toEqual([]);
  const { arrays, all } = await bytesOfRun(path.join(at('whole'), 'runs', String(report.run)));
  expect(planned.store.arrays).toBe(arrays);
  expect(Math.abs(planned.store.bytes / all - 1)).toBeLessThan(0.01);
  // Beside the activations: their headers, and the calls.
  expect(report.wireBytes).toBeGreaterThanOrEqual(planned.wire.pruner);
  expect(report.wireBytes).toBeLessThan(planned.wire.pruner * 1.01 + 64 * 1024);
  const peaks = report.peakResidentBytes as { readonly pruner: number; readonly workers: readonly number[] };
  expect(peaks.pruner).toBeLessThan(planned.memory.pruner);
  expect(Math.max(...peaks.workers)).toBeLessThan(planned.memory.worker);
});

test('equal runs give byte-identical stores; where the number of threads would change bits, it is part of the run’s name', async () => {
  const one = await prune('again', '--threads', '1');
  const two = await prune('two', '--threads', '2');
  expect(await contentsOf(at('two'))).toEqual(await contentsOf(at('again')));
  const three = await prune('three', '--threads', '3');
  expect(two.run).toBe(one.run);
  expect(three.run).not.toBe(one.run);
});

test('a run that was killed goes on after the last committed block and ends with the same bytes', async () => {
  const killed = await esparseUntil(
    (line) => line.includes('"committed"') && line.includes('"block":2'),
    'prune',
    ...SMALL,
    '--store',
    at('killed'),
    '--json',
  );
  killed.kill('SIGKILL');
  await once(killed, 'exit');
  const unfinished = await esparse('eval', '--text', at('text.txt'), '--store', at('killed'));
  expect(unfinished.code).toBe(2);
  const { stdout, code } = await esparse('prune', ...SMALL, '--store', at('killed'), '--json');
  expect(code).toBe(0);
  expect(stdout).toContain('going on after block');
  expect(await contentsOf(at('killed'))).toEqual(await contentsOf(at('whole')));
});
