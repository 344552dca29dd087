import { once } from 'node:events';
import { readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { esparseJson, esparseUntil } from '../support/esparse.ts';
import { contentsOf, scratchFolder } from '../support/folders.ts';
import { EXAMPLE_CALIBRATION, EXAMPLE_MODEL } from '../support/repository.ts';
import { shareWorker } from '../support/share-worker.ts';

const at = scratchFolder();
shareWorker(at);
const pruneArgs = (store: string, dense: number) => [
  ...['prune', '--model', EXAMPLE_MODEL, '--calibration', EXAMPLE_CALIBRATION, '--store', at(store)],
  ...['--pipeline', 'e-sparse-reconstruct', '--set', `dense=${dense}`, '--samples', '8', '--seqlen', '64'],
];

/** The packed linears of a block of the store's one run. */
async function blockOf(store: string, block: number): Promise<Record<string, string>> {
  const [run] = (await readdir(path.join(at(store), 'runs'))).filter((name) => name !== 'zarr.json');
  const files = await contentsOf(path.join(at(store), 'runs', run!, 'blocks', String(block)));
  return Object.fromEntries(Object.entries(files).filter(([key]) => !key.endsWith('zarr.json')));
}

/** Kills a run once a block is committed. */
async function killAfter(block: number, ...args: string[]): Promise<void> {
  const committed = (line: string) => line.includes('"committed"') && line.includes(`"block":${block}`);
  const child = await esparseUntil(committed, ...args, '--json');
  child.kill('SIGKILL');
  await once(child, 'exit');
}

test('the dense model’s share changes every block but the first, whose inputs are the same in both models', async () => {
  await esparseJson(...pruneArgs('none', 0));
  await esparseJson(...pruneArgs('half', 0.5));
  expect(await blockOf('half', 0)).toEqual(await blockOf('none', 0));
  for (const block of [1, 2, 3])
    expect(await blockOf('half', block)).not.toEqual(await blockOf('none', block));
});

test('its hidden states lie in the store while they are needed, and not without a share', async () => {
  const dense = (files: Record<string, string>) =>
    Object.keys(files).filter((key) => key.includes('/hidden-dense/'));
  await killAfter(2, ...pruneArgs('killed', 0.5));
  expect(dense(await contentsOf(at('killed')))).not.toEqual([]);
  await killAfter(2, ...pruneArgs('killed-none', 0));
  expect(dense(await contentsOf(at('killed-none')))).toEqual([]);
  const { garbage } = await esparseJson('gc', '--store', at('killed'), '--dry-run');
  const folders = (garbage as { object: string }[]).map(({ object }) => path.basename(object));
  expect(folders).toEqual(expect.arrayContaining(['hidden', 'hidden-dense']));
});

test('a run that was killed goes on to the same bytes, also where they were lost, or cut', async () => {
  const whole = await contentsOf(at('half'));
  const killed = await contentsOf(at('killed'));
  for (const chunk of Object.keys(killed).filter(
    (key) => key.includes('/hidden-dense/') && key.endsWith('/0/0/0'),
  ))
    await writeFile(path.join(at('killed'), chunk), '');
  await esparseJson(...pruneArgs('killed', 0.5), '--resume');
  expect(await contentsOf(at('killed'))).toEqual(whole);

  await killAfter(2, ...pruneArgs('lost', 0.5));
  await esparseJson('gc', '--store', at('lost'));
  await esparseJson(...pruneArgs('lost', 0.5), '--resume');
  expect(await contentsOf(at('lost'))).toEqual(whole);
});
