import { once } from 'node:events';
import { cp, readFile, readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { esparse, esparseJson, esparseUntil } from '../support/esparse.ts';
import { contentsOf, scratchFolder } from '../support/folders.ts';
import { EXAMPLE_CALIBRATION, EXAMPLE_MODEL } from '../support/repository.ts';
import { shareWorker } from '../support/share-worker.ts';

const at = scratchFolder();
shareWorker(at);
const OPTIONS = [
  ...['--model', EXAMPLE_MODEL, '--calibration', EXAMPLE_CALIBRATION],
  ...['--samples', '2', '--seqlen', '32', '--shuffle', 'global'],
];
const pruneArgs = (store: string, ...args: string[]) => ['prune', ...OPTIONS, '--store', at(store), ...args];

/** Stops a run once a block is committed, and gives its exit code. */
async function stopAfter(block: number, signal: NodeJS.Signals, store: string): Promise<number | null> {
  const committed = (line: string) => line.includes('"committed"') && line.includes(`"block":${block}`);
  const child = await esparseUntil(committed, ...pruneArgs(store, '--json'));
  child.kill(signal);
  const [code] = (await once(child, 'exit')) as [number | null];
  return code;
}

test('SIGTERM ends a run with 143, takes back what is not committed, and the run goes on from there', async () => {
  const report = await esparseJson(...pruneArgs('whole'));
  expect(await stopAfter(2, 'SIGTERM', 'stopped')).toBe(143);
  const left = await esparseJson('gc', '--store', at('stopped'), '--dry-run');
  const kinds = (left.garbage as { kind: string }[]).map(({ kind }) => kind);
  expect(new Set(kinds)).toEqual(new Set(['hidden']));
  const { stdout, code } = await esparse(...pruneArgs('stopped', '--resume'));
  expect(code).toBe(0);
  expect(stdout).toMatch(/going on after block \d of 4/);
  expect(await contentsOf(at('stopped'))).toEqual(await contentsOf(at('whole')));
  const again = await esparse(...pruneArgs('stopped', '--resume'));
  expect(again.stdout).toContain('finished already: nothing to do');
  expect(again.stdout).toContain(String(report.run));
});

test('a run with figures that is killed goes on to the same bytes', async () => {
  const figures = ['--figure-tokens', '--json'];
  await esparseJson(...pruneArgs('with-figures', ...figures.slice(0, 1)));
  const committed = (line: string) => line.includes('"committed"') && line.includes('"block":2');
  const child = await esparseUntil(committed, ...pruneArgs('killed-figures', ...figures));
  child.kill('SIGKILL');
  await once(child, 'exit');
  const { stdout } = await esparse(...pruneArgs('killed-figures', ...figures.slice(0, 1)));
  expect(stdout).toMatch(/going on after block \d of 4/);
  expect(await contentsOf(at('killed-figures'))).toEqual(await contentsOf(at('with-figures')));
});

test('--resume of another run is refused, and says in what it differs', async () => {
  const before = await contentsOf(at('whole'));
  const other = await esparse(...pruneArgs('whole', '--resume', '--pattern', '4:8', '--seed', '3'));
  expect(other.code).toBe(2);
  expect(other.stderr).toContain('the calibration tokens');
  expect(other.stderr).toContain('the option pattern.keep (2 there, 4 here)');
  expect(other.stderr).toContain('the option pattern.group (4 there, 8 here)');
  expect(other.stderr).toContain('the option calibration.seed (0 there, 3 here)');
  expect(other.stderr).not.toContain('shuffle');
  const none = await esparse(...pruneArgs('absent', '--resume'));
  expect(none.code).toBe(2);
  expect(none.stderr).toContain('not an esparse store');
  expect(await contentsOf(at('whole'))).toEqual(before);
});

test('a new run beside an unfinished one reports in what it differs, and both can be finished', async () => {
  expect(await stopAfter(1, 'SIGKILL', 'two')).toBeNull();
  const other = await esparse(...pruneArgs('two', '--alpha', '2'));
  expect(other.code).toBe(0);
  expect(other.stdout).toMatch(
    /the unfinished run [0-9a-f]{32} .* differs in the option pipeline.options.alpha/,
  );
  await esparseJson(...pruneArgs('two', '--resume'));
  const inspected = await esparseJson('inspect', '--store', at('two'));
  expect((inspected.runs as { finished: boolean }[]).map(({ finished }) => finished)).toEqual([true, true]);
});

test('a damaged manifest stops a resume at once; nothing is begun again silently', async () => {
  await stopAfter(2, 'SIGKILL', 'damaged');
  const { run } = await esparseJson(...pruneArgs('whole'));
  const manifest = path.join(at('damaged'), 'runs', String(run), 'blocks/0/zarr.json');
  const sound = await readFile(manifest);
  await writeFile(manifest, Buffer.from(sound).fill(0x20, 40, 60));
  const before = await contentsOf(path.dirname(manifest));
  const { code, stderr, stdout } = await esparse(...pruneArgs('damaged', '--json'));
  expect(code).toBe(2);
  expect(stderr).toContain('blocks/0/zarr.json');
  expect(stdout).not.toContain('"committed"');
  expect(await contentsOf(path.dirname(manifest))).toEqual(before);
  await writeFile(manifest, sound);
  await esparseJson(...pruneArgs('damaged'));
  expect(await contentsOf(at('damaged'))).toEqual(await contentsOf(at('whole')));
});

test('hidden states that are damaged are computed again', async () => {
  await stopAfter(2, 'SIGKILL', 'cut');
  // By name alone: the worker outlives the run, and may still take back a file that it was writing.
  const files = await readdir(at('cut'), { recursive: true });
  const chunks = files.filter((file) => file.includes('/hidden/') && file.endsWith('c/0/0/0'));
  expect(chunks.length).toBeGreaterThan(0);
  for (const chunk of chunks) await writeFile(path.join(at('cut'), chunk), '');
  await esparseJson(...pruneArgs('cut'));
  expect(await contentsOf(at('cut'))).toEqual(await contentsOf(at('whole')));
});

test('a chat template that the checkpoint was given later reaches the finished run, and changes nothing else in it', async () => {
  const model = at('with-template');
  await cp(EXAMPLE_MODEL, model, { recursive: true });
  const args = ['prune', ...OPTIONS, '--pipeline', 'magnitude', '--model', model, '--store', at('renewed')];
  const { run } = await esparseJson(...args);
  const before = await contentsOf(at('renewed'));
  await writeFile(path.join(model, 'chat_template.jinja'), '{{ messages[0].content }}');
  const again = await esparse(...args);
  expect(again.stdout).toContain('renewed in the store, as the checkpoint has them now: chat_template.jinja');
  const after = await contentsOf(at('renewed'));
  const folder = `runs/${String(run)}`;
  const others = Object.keys(after).filter((name) => after[name] !== before[name]);
  expect(others).toEqual([
    `${folder}/finished.json`,
    `${folder}/tokenizer/chat_template.jinja`,
    `${folder}/tokenizer/zarr.json`,
  ]);
  expect((await esparse('verify', '--store', at('renewed'))).code).toBe(0);
  expect((await esparse(...args)).stdout).not.toContain('as the checkpoint has them now');
});
