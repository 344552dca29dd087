/**
 * Pruner, worker and `gc`, killed at random: at an instant, or at a change that they make to the store, commits above all.
 * After each kill the store verifies, and the same command goes on to the same bytes.
 */
import { existsSync } from 'node:fs';
import { readdir, readFile, utimes } from 'node:fs/promises';
import path from 'node:path';
import { openStore, verifyStore } from '@esparse/store';
import { esparse } from '../support/esparse.ts';
import { contentsOf, scratchFolder } from '../support/folders.ts';
import { childrenOf } from '../support/processes.ts';
import { seededNumbers } from '../support/random-model.ts';
import { EXAMPLE_MODEL } from '../support/repository.ts';
import {
  changesOf,
  pruneUntilDone,
  startGc,
  startPrune,
  startWorker,
  type End,
  type Victim,
} from './victims.ts';

/** How many kills there are: 300 by `npm run test:chaos`. */
const KILLS = Number(process.env.ESPARSE_CHAOS_KILLS ?? 8);
/** The kills of a seed are the same ones, as far as time can be. */
const SEED = Number(process.env.ESPARSE_CHAOS_SEED ?? 1);
/** After so many kills a store is left in peace until its run has finished. */
const KILLS_OF_A_STORE = 8;
/** A removal of an unfinished run changes the store about so often. */
const CHANGES_OF_GC = 12;

// A bound of what hangs, not of what is slow.
jest.setTimeout(600_000 + KILLS * 120_000);

const at = scratchFolder();
let undisturbed: Record<string, string> = {};
/** The kinds of change by which something becomes visible, or stops being so. */
let commits: string[] = [];
/** How long a run takes that nobody kills, in milliseconds, by the last of them: the machine may have more to do, or less. */
let duration = 0;
/** A worker that outlives the pruners: one start instead of one for each. */
let worker: Awaited<ReturnType<typeof startWorker>>;

beforeAll(async () => {
  worker = await startWorker(EXAMPLE_MODEL, at());
  const started = performance.now();
  await finished(startPrune({ store: at('undisturbed'), log: at('changes') }));
  duration = performance.now() - started;
  undisturbed = await contentsOf(at('undisturbed'));
  const changes = await changesOf(at('changes'), 'prune');
  commits = [...new Set(changes)].filter((kind) =>
    /^(rename|flush) (block|dense|run|root|tokenizer)$/.test(kind),
  );
});
afterAll(() => worker.stop());

async function finished({ end }: Victim): Promise<void> {
  const { code, stderr } = await end;
  if (code !== 0) throw new Error(stderr);
}

test('killed at random, every run goes on to the same bytes, and the store is sound after each kill', async () => {
  process.stderr.write(`chaos: ESPARSE_CHAOS_SEED=${SEED} ESPARSE_CHAOS_KILLS=${KILLS}\n`);
  const random = seededNumbers(SEED);
  const kills: Record<string, number> = {};
  const total = () => Object.values(kills).reduce((sum, times) => sum + times, 0);
  for (let stores = 0; total() < KILLS; stores++) {
    const store = at(`random-${stores}`);
    for (let ofStore = 0; ofStore < KILLS_OF_A_STORE && total() < KILLS;) {
      const name = pick(SHARES, random);
      const { code, signal, stderr } = await VICTIMS[name](store, random);
      // A worker that is killed takes the run along: 75, since the same command goes on.
      const killed = signal === 'SIGKILL' || code === 75;
      if (!killed && code !== 0) throw new Error(`${name} ended with ${String(code ?? signal)}: ${stderr}`);
      await letLocksExpire(store);
      await requireSound(store, name);
      if (killed) {
        kills[name] = (kills[name] ?? 0) + 1;
        ofStore++;
      } else if (name !== 'gc') break;
    }
    // Where every kill came before there was a store, there is nothing to collect.
    if (existsSync(path.join(store, 'zarr.json'))) await finished(startGc({ store }));
    await pruneUntilDone(store, ...shared());
    expect(await contentsOf(store)).toEqual(undisturbed);
    expect(await esparse('verify', '--store', store)).toMatchObject({ code: 0 });
    const tally = Object.entries(kills).map(([name, times]) => `${times} x ${name}`);
    process.stderr.write(`chaos: seed ${SEED}, ${total()} kills of ${KILLS}: ${tally.join(', ')}\n`);
  }
});

const shared = () => ['--worker', worker.address];

const VICTIMS = {
  /** A pruner at a step of a commit. */
  commit: (store, random) =>
    startPrune({ store, kills: { prune: { kind: pick(commits, random) } } }, ...shared()).end,
  pruner: (store, random) => killAfter(startPrune({ store }, ...shared()), random, (pid) => [pid]),
  /** A worker that the pruner has started. */
  worker: (store, random) => killAfter(startPrune({ store }), random, (_, workers) => workers),
  both: (store, random) => killAfter(startPrune({ store }), random, (pid, workers) => [pid, ...workers]),
  /** A removal, of what is in the making or of the whole run. */
  gc: async (store, random) => {
    if (!existsSync(`${store}/zarr.json`)) return { code: 0, signal: null, stderr: '' };
    const change = 1 + Math.floor(random() * CHANGES_OF_GC);
    const whole = random() < 0.7 ? ['--all-unfinished'] : [];
    return startGc({ store, kills: { gc: { change } } }, ...whole).end;
  },
} satisfies Record<string, (store: string, random: () => number) => Promise<End>>;

/** Each as often as it stands here. */
const SHARES: readonly (keyof typeof VICTIMS)[] = [
  ...(['commit', 'commit', 'commit', 'pruner', 'pruner', 'gc', 'gc', 'gc', 'worker', 'both'] as const),
];

/** Kills processes of a run at an instant of it. */
async function killAfter(
  { child, end }: Victim,
  random: () => number,
  victims: (pid: number, workers: readonly number[]) => readonly number[],
): Promise<End> {
  const timer = setTimeout(() => {
    void workersOf(child.pid!).then((workers) => {
      for (const pid of victims(child.pid!, workers)) kill(pid);
    });
  }, random() * duration);
  const started = performance.now();
  try {
    const ended = await end;
    if (ended.code === 0) duration = (duration + performance.now() - started) / 2;
    return ended;
  } finally {
    clearTimeout(timer);
  }
}

/** The workers that a pruner has started; the process that tokenizes its text is none. */
async function workersOf(pruner: number): Promise<number[]> {
  const children = await childrenOf(pruner);
  const lines = await Promise.all(
    children.map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')),
  );
  return children.filter((_, i) => lines[i]!.split('\0').includes('worker'));
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended meanwhile.
  }
}

/** A process that was killed before it had signed its lock holds others up for a minute, which passes here. */
async function letLocksExpire(store: string): Promise<void> {
  const names = existsSync(store) ? await readdir(store) : [];
  const locks = names.filter((name) => /^\.esparse-writer\.(lock|guard)$/.test(name));
  for (const name of locks) await utimes(path.join(store, name), 0, 0);
}

/** Whatever a kill has left: no reader finds damage in it, but that a run has finished that is not yet named as current. */
async function requireSound(location: string, victim: string): Promise<void> {
  if (!existsSync(`${location}/zarr.json`)) return;
  const { damages } = await verifyStore(await openStore(location));
  const errors = damages.filter(({ severity }) => severity === 'error');
  const unnamed = errors.filter(({ object, problem }) => object === 'current' && problem === 'missing');
  expect([victim, errors]).toEqual([victim, unnamed]);
}

function pick<T>(list: readonly T[], random: () => number): T {
  return list[Math.floor(random() * list.length)]!;
}
