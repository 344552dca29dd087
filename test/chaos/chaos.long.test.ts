import { contentsOf, scratchFolder } from '../support/folders.ts';
import { EXAMPLE_MODEL } from '../support/repository.ts';
import {
  changesOf,
  chosen,
  killAtEach,
  pruneUntilDone,
  startPrune,
  startWorker,
  type KillEach,
} from './victims.ts';

/** With ESPARSE_CHAOS_ALL, every single change of a run is one at which it is killed: that takes an hour. */
const ALL = process.env.ESPARSE_CHAOS_ALL !== undefined;

jest.setTimeout(ALL ? 4 * 3600_000 : 300_000);

const at = scratchFolder();
let undisturbed: Record<string, string> = {};
let changes: { prune: string[]; worker: string[] } = { prune: [], worker: [] };

beforeAll(async () => {
  const store = at('undisturbed');
  const { code, stderr } = await startPrune({ store, log: at('changes') }).end;
  if (code !== 0) throw new Error(stderr);
  undisturbed = await contentsOf(store);
  changes = {
    prune: await changesOf(at('changes'), 'prune'),
    worker: await changesOf(at('changes'), 'worker'),
  };
});

/** Stores of this name, each of which must end as the undisturbed one. */
const stores = (name: string): KillEach => ({
  place: (n) => at(`${name}-${n}`),
  check: async (store) => {
    expect(await contentsOf(store)).toEqual(undisturbed);
  },
});

test('a pruner that is killed at a change of any kind goes on, to the same bytes', async () => {
  const kinds = [...new Set(changes.prune)];
  // Every step of a transaction: an object made, written, flushed, renamed, its folder flushed, the commit.
  for (const kind of ['open', 'write', 'flush', 'rename']) {
    for (const place of ['array', 'block', 'dense', 'run', 'root'])
      expect(kinds).toContain(`${kind} ${place}`);
  }
  const kills = chosen(kinds).map((kind) => ({ prune: { kind } }));
  const { address, stop } = await startWorker(EXAMPLE_MODEL, at());
  try {
    await killAtEach(stores('pruner'), kills, '--worker', address);
  } finally {
    await stop();
  }
});

test('a worker that is killed at a change of any kind leaves a run that goes on, to the same bytes', async () => {
  const kinds = [...new Set(changes.worker)];
  expect(kinds).toEqual(expect.arrayContaining(['open hidden', 'write hidden', 'rename hidden']));
  const kills = chosen(kinds).map((kind) => ({ worker: { kind } }));
  await killAtEach(stores('worker'), kills);
});

test('so does either that is killed at a change of the dense model’s hidden states', async () => {
  const args = ['--pipeline', 'e-sparse-reconstruct'];
  const whole = at('dense-undisturbed');
  expect(await startPrune({ store: whole, log: at('dense-changes') }, ...args).end).toMatchObject({
    code: 0,
  });
  const kindsOf = async (command: 'prune' | 'worker') => {
    const kinds = new Set(await changesOf(at('dense-changes'), command));
    return [...kinds].filter((kind) => kind.endsWith(' hidden-dense'));
  };
  const [worker, prune] = [await kindsOf('worker'), await kindsOf('prune')];
  // The worker writes them, the pruner removes them.
  expect(worker).toEqual(
    expect.arrayContaining(['open hidden-dense', 'write hidden-dense', 'rename hidden-dense']),
  );
  expect(prune).toContain('remove hidden-dense');
  const kills = [
    ...chosen(worker).map((kind) => ({ worker: { kind } })),
    ...chosen(prune).map((kind) => ({ prune: { kind } })),
  ];
  const expected = await contentsOf(whole);
  const check = async (store: string) => {
    expect(await contentsOf(store)).toEqual(expected);
  };
  await killAtEach({ place: (n) => at(`dense-${n}`), check }, kills, ...args);
});

test('so does a pruner that is killed at a change of a draft, which a worker tunes', async () => {
  const args = ['--pipeline', 'e-sparse-tune', '--set', 'steps=1', '--set', 'batch=1'];
  const whole = at('tune-undisturbed');
  expect(await startPrune({ store: whole, log: at('tune-changes') }, ...args).end).toMatchObject({ code: 0 });
  const kinds = new Set(await changesOf(at('tune-changes'), 'prune'));
  const drafts = [...kinds].filter((kind) => kind.endsWith(' drafts'));
  expect(drafts).toEqual(
    expect.arrayContaining(['open drafts', 'write drafts', 'rename drafts', 'remove drafts']),
  );
  const expected = await contentsOf(whole);
  const check = async (store: string) => {
    expect(await contentsOf(store)).toEqual(expected);
  };
  const kills = chosen(drafts).map((kind) => ({ prune: { kind } }));
  await killAtEach({ place: (n) => at(`tune-${n}`), check }, kills, ...args);
});

(ALL ? test : test.skip)(
  'a pruner that is killed at any change at all goes on, to the same bytes',
  async () => {
    for (const change of changes.prune.keys()) {
      const store = at(`change-${change}`);
      await startPrune({ store, kills: { prune: { change: change + 1 } } }).end;
      await pruneUntilDone(store);
      expect([change, await contentsOf(store)]).toEqual([change, undisturbed]);
    }
  },
);
