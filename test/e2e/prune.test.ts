import { execFile } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { promisify } from 'node:util';
import { esparse, esparseJson, esparseUntil } from '../support/esparse.ts';
import { contentsOf, scratchFolder } from '../support/folders.ts';
import { EXAMPLE_CALIBRATION, EXAMPLE_EVALUATION, EXAMPLE_MODEL, REPOSITORY } from '../support/repository.ts';

jest.setTimeout(120_000);

const at = scratchFolder();
const SMALL = [
  '--model',
  EXAMPLE_MODEL,
  '--calibration',
  EXAMPLE_CALIBRATION,
  '--samples',
  '8',
  '--seqlen',
  '64',
];
const prune = (store: string, ...args: string[]) =>
  esparseJson('prune', ...SMALL, '--store', at(store), ...args);
const evaluate = async (...args: string[]) =>
  (await esparseJson('eval', '--text', EXAMPLE_EVALUATION, '--seqlen', '128', ...args)).perplexity as number;

test('a pruned model has half its weights, evaluates from its store alone, and is sound', async () => {
  const report = await prune('whole');
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

test('equal runs give byte-identical stores, whatever the number of threads', async () => {
  await prune('again', '--threads', '1');
  expect(await contentsOf(at('again'))).toEqual(await contentsOf(at('whole')));
});

test('a worker that runs elsewhere gives the same bytes as one that prune starts', async () => {
  let address = '';
  const worker = await esparseUntil(
    (line) => {
      if (!line.startsWith('{')) return false;
      address = (JSON.parse(line) as { address?: string }).address ?? '';
      return address !== '';
    },
    'worker',
    '--listen',
    '127.0.0.1:0',
    '--root',
    EXAMPLE_MODEL,
    '--root',
    at(),
  );
  await prune('remote', '--worker', address);
  worker.kill('SIGTERM');
  const [code] = (await once(worker, 'exit')) as [number];
  expect(code).toBe(0);
  expect(await contentsOf(at('remote'))).toEqual(await contentsOf(at('whole')));
});

test('another pipeline makes its own run beside the first and is current; --run names the other', async () => {
  const first = await prune('two');
  const second = await prune('two', '--pipeline', 'magnitude');
  expect(second.run).not.toBe(first.run);
  const ofFirst = await evaluate('--store', at('two'), '--run', String(first.run));
  const current = await evaluate('--store', at('two'));
  expect(ofFirst).toBe(await evaluate('--store', at('whole')));
  expect(current).toBeGreaterThan(ofFirst);
});

test('a finished run again changes nothing but which run is current', async () => {
  const before = await contentsOf(at('whole'));
  await prune('whole');
  expect(await contentsOf(at('whole'))).toEqual(before);
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
  const unfinished = await esparse('eval', '--text', EXAMPLE_EVALUATION, '--store', at('killed'));
  expect(unfinished.code).toBe(2);
  const { stdout, code } = await esparseEventually('prune', ...SMALL, '--store', at('killed'), '--json');
  expect(code).toBe(0);
  expect(stdout).toContain('going on after block');
  expect(await contentsOf(at('killed'))).toEqual(await contentsOf(at('whole')));
});

/** As `esparse`, but waits for the lock of a killed writer to expire. */
async function esparseEventually(...args: string[]) {
  for (;;) {
    const outcome = await esparse(...args);
    if (outcome.code !== 2 || !outcome.stderr.includes('writ')) return outcome;
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
}

test('4:8 is packed in 56.25 % as well, and 1:4 in less', async () => {
  const ratio = async (pattern: string) => {
    const report = await prune(
      `pattern-${pattern.replace(':', '-')}`,
      '--pattern',
      pattern,
      '--shuffle',
      'global',
    );
    return (report.linearBytes as number) / (report.denseLinearBytes as number);
  };
  expect(await ratio('4:8')).toBe(0.5625);
  expect(await ratio('1:4')).toBeCloseTo(0.28125);
});

test('Ctrl-C ends a run with 130, takes its worker along, and leaves a store that goes on', async () => {
  const child = await esparseUntil(
    (line) => line.includes('"progress"'),
    'prune',
    ...SMALL,
    '--store',
    at('ctrl-c'),
    '--json',
  );
  child.kill('SIGINT');
  const [code] = (await once(child, 'exit')) as [number];
  expect(code).toBe(130);
  await prune('ctrl-c');
  expect(await contentsOf(at('ctrl-c'))).toEqual(await contentsOf(at('whole')));
});
