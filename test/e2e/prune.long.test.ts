import { once } from 'node:events';
import { esparseJson, esparseUntil } from '../support/esparse.ts';
import { contentsOf, scratchFolder } from '../support/folders.ts';
import { EXAMPLE_CALIBRATION, EXAMPLE_EVALUATION, EXAMPLE_MODEL } from '../support/repository.ts';
import { startWorkerProcess, type WorkerProcess } from '../support/workers.ts';

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
/** With a worker of its own, or that of all tests. */
const prune = (store: string, ...args: string[]) =>
  esparseJson('prune', ...SMALL, '--store', at(store), ...args);
let worker: WorkerProcess;
const pruneThere = (store: string, ...args: string[]) => prune(store, '--worker', worker.address, ...args);
const evaluate = async (...args: string[]) =>
  (await esparseJson('eval', '--text', EXAMPLE_EVALUATION, '--seqlen', '128', '--windows', '40', ...args))
    .perplexity as number;
beforeAll(async () => {
  worker = await startWorkerProcess('--root', EXAMPLE_MODEL, '--root', at());
  await prune('whole');
});
afterAll(async () => {
  expect(await worker.end('SIGTERM')).toBe(0);
});

test('a worker that runs elsewhere gives the same bytes as one that prune starts', async () => {
  await pruneThere('remote');
  expect(await contentsOf(at('remote'))).toEqual(await contentsOf(at('whole')));
});

test('another pipeline makes its own run beside the first and is current; --run names the other', async () => {
  const first = await pruneThere('two');
  const second = await pruneThere('two', '--pipeline', 'magnitude');
  expect(second.run).not.toBe(first.run);
  const ofFirst = await evaluate('--store', at('two'), '--run', String(first.run));
  const current = await evaluate('--store', at('two'));
  expect(ofFirst).toBe(await evaluate('--store', at('whole')));
  expect(current).toBeGreaterThan(ofFirst);
});

test('a finished run again changes nothing but which run is current', async () => {
  const before = await contentsOf(at('whole'));
  await pruneThere('whole');
  expect(await contentsOf(at('whole'))).toEqual(before);
});

test('4:8 is packed in 56.25 % as well, and 1:4 in less', async () => {
  const ratio = async (pattern: string) => {
    const report = await pruneThere(
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
  await pruneThere('ctrl-c');
  expect(await contentsOf(at('ctrl-c'))).toEqual(await contentsOf(at('whole')));
});
