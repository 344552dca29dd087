import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { esparse, esparseJson, esparseUntil, esparseWatched } from '../support/esparse.ts';
import { contentsOf, scratchFolder } from '../support/folders.ts';
import { EXAMPLE_CALIBRATION, EXAMPLE_EVALUATION, EXAMPLE_MODEL } from '../support/repository.ts';
import { startWorkerProcess, type WorkerProcess } from '../support/workers.ts';

const at = scratchFolder();
const workers: WorkerProcess[] = [];
const worker = async () => {
  const started = await startWorkerProcess('--threads', '1', '--root', EXAMPLE_MODEL, '--root', at());
  workers.push(started);
  return started;
};

const SMALL = [
  ...['--model', EXAMPLE_MODEL, '--calibration', EXAMPLE_CALIBRATION],
  ...['--samples', '8', '--seqlen', '32', '--shuffle', 'global'],
];
const STEPS = ['--set', 'steps=20', '--set', 'batch=4', '--set', 'learningRate=1e-3'];
const pruneArgs = (store: string, ...args: string[]) => [
  ...['prune', ...SMALL, '--store', at(store), '--worker', standing.address],
  ...args,
];
const tuneArgs = (store: string, ...args: string[]) =>
  pruneArgs(store, '--pipeline', 'e-sparse-tune', ...STEPS, ...args);

/** No test ends it. */
let standing: WorkerProcess;
/** The events of a run, and what it wrote. */
let told: string[];
let whole: Awaited<ReturnType<typeof contentsOf>>;
beforeAll(async () => {
  standing = await worker();
  told = await esparseWatched(() => undefined, ...tuneArgs('whole', '--json'));
  whole = await contentsOf(at('whole'));
});
afterAll(() => Promise.all(workers.map(({ end }) => end('SIGKILL'))));

/** The arrays of a run's blocks, by their paths there. */
const blocksOf = (contents: Record<string, string>) =>
  Object.fromEntries(
    Object.entries(contents).flatMap(([file, digest]) => {
      const [, place] = /\/blocks\/(.*\/c\/.*)$/.exec(file) ?? [];
      return place === undefined ? [] : [[place, digest]];
    }),
  );

const TUNING_SECOND = '"block":2,"phase":"tune"';

test('tuning of no steps leaves E-Sparse, byte for byte', async () => {
  await esparseJson(...pruneArgs('old', '--pipeline', 'e-sparse'));
  await esparseJson(...pruneArgs('none', '--pipeline', 'e-sparse-tune', '--set', 'steps=0'));
  const before = blocksOf(await contentsOf(at('old')));
  expect(Object.keys(before).length).toBeGreaterThan(50);
  expect(blocksOf(await contentsOf(at('none')))).toEqual(before);
  expect(blocksOf(whole)).not.toEqual(before);
});

test('a worker that is killed while it tunes loses nothing: another begins anew, to the same bytes', async () => {
  const mortal = await worker();
  let killed = false;
  const args = tuneArgs('killed', '--json').map((arg) => (arg === standing.address ? mortal.address : arg));
  const lines = await esparseWatched(
    (line) => {
      if (killed || !line.includes(TUNING_SECOND)) return;
      killed = true;
      mortal.child.kill('SIGKILL');
    },
    ...args,
    ...['--worker', standing.address],
  );
  expect(lines.find((line) => line.includes('"event":"retry"'))).toContain('"task":"tune"');
  expect(await contentsOf(at('killed'))).toEqual(whole);
});

test('a run that is ended while it tunes goes on, to the same bytes, and what it left is found', async () => {
  const child = await esparseUntil((line) => line.includes(TUNING_SECOND), ...tuneArgs('ended', '--json'));
  child.kill('SIGKILL');
  await once(child, 'exit');
  const { garbage } = (await esparseJson('gc', '--store', at('ended'), '--dry-run')) as {
    garbage: { kind: string }[];
  };
  expect(garbage.map(({ kind }) => kind)).toContain('draft');
  const { stdout, code } = await esparse(...tuneArgs('ended', '--resume'));
  expect([code, stdout]).toEqual([0, expect.stringContaining('going on after block 1 of 4')]);
  expect(await contentsOf(at('ended'))).toEqual(whole);
});

test('the losses are told as they are found, and kept with the blocks', async () => {
  const events = told.map((line) => JSON.parse(line) as { event: string; block: number; report: object });
  const found = events.flatMap(({ event, block, report }) => (event === 'stage' ? [{ block, report }] : []));
  expect(found.map(({ block }) => block)).toEqual([1, 2, 3, 4]);
  const { blocks } = (await esparseJson('inspect', '--store', at('whole'))) as {
    blocks: { stages: { lossBefore: number; lossAfter: number; steps: number; stage: string }[] }[];
  };
  expect(blocks.map(({ stages }) => stages)).toEqual(
    found.map(({ report }) => [{ stage: 'tune', ...report }]),
  );
  for (const { stages } of blocks) expect(stages[0]!.lossAfter).toBeLessThan(stages[0]!.lossBefore);
  const { stdout } = await esparse('inspect', '--store', at('whole'));
  expect(stdout).toMatch(/block 3, tune: .*loss after 0\.\d+, loss before 0\.\d+, steps 20, stopped done/);
});

/** A tensor of a file of safetensors. */
async function tensorIn(file: string, name: string): Promise<Buffer> {
  const bytes = await readFile(file);
  const length = Number(bytes.readBigUInt64LE());
  const header = JSON.parse(bytes.subarray(8, 8 + length).toString()) as Record<
    string,
    { data_offsets: [number, number] }
  >;
  const [begin, end] = header[name]!.data_offsets;
  return bytes.subarray(8 + length + begin, 8 + length + end);
}

test('norms that were tuned are those of the run for whoever reads it: engine, ONNX Runtime, export, verify', async () => {
  const NORM = 'model.layers.1.input_layernorm.weight';
  await esparseJson('export', '--store', at('whole'), '--out', at('exported'));
  const stored = Object.keys(whole).find((file) => file.includes(`/blocks/1/dense/${NORM}/c`))!;
  const values = (await readFile(at('whole', stored))).subarray(0, -4);
  expect(await tensorIn(at('exported', 'model.safetensors'), NORM)).toEqual(values);
  expect(await tensorIn(path.join(EXAMPLE_MODEL, 'model.safetensors'), NORM)).not.toEqual(values);
  const perplexity = async (...args: string[]) =>
    Number(
      (await esparseJson('eval', '--text', EXAMPLE_EVALUATION, '--seqlen', '64', '--windows', '8', ...args))
        .perplexity,
    );
  const engine = await perplexity('--store', at('whole'));
  expect(await perplexity('--store', at('whole'), '--engine', 'onnx')).toBeCloseTo(engine, 2);
  expect(await perplexity('--model', at('exported'))).toBeCloseTo(engine, 2);
  expect(await esparse('verify', '--store', at('whole'))).toMatchObject({ code: 0 });
});

test.each([
  ['steps=-1', 'steps is -1'],
  ['learningRate=0', 'learningRate is 0'],
  ['heldOut=1', 'heldOut is 1'],
  ['samples=1', 'samples is 1'],
])('an option out of range is refused before anything is written: %s', async (option, message) => {
  const { code, stderr } = await esparse(...tuneArgs('untouched', '--set', option));
  expect([code, stderr]).toEqual([2, expect.stringContaining(message)]);
  expect(await contentsOf(at('untouched')).catch(() => ({}))).toEqual({});
});
