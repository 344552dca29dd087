import { readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { esparseJson } from '../support/esparse.ts';
import { heading, median, print } from './table.ts';

/** A small calibration: the larger it is, the less the comparison weighs. */
const [SAMPLES, SEQLEN] = [96, 256];
const TARGET = 0.03;

interface Taken {
  readonly wall: number;
  /** Of both processes, in user and system mode. */
  readonly processor: number;
}

/** What it takes a run to find how much each linear's output changes: runs with and without, in turn. */
export async function benchOutputError(
  model: string,
  calibration: string,
  pairs: number,
  scratch: string,
): Promise<void> {
  heading(`how much outputs change: ${pairs} pairs of runs, ${SAMPLES} x ${SEQLEN} tokens`);
  const run = (outputError: boolean) =>
    taken(async () => {
      const store = path.join(scratch, 'compared');
      await esparseJson(
        ...['prune', '--model', model, '--calibration', calibration, '--store', store],
        ...['--samples', String(SAMPLES), '--seqlen', String(SEQLEN)],
        ...['--set', `outputError=${outputError}`],
      );
      await rm(store, { recursive: true });
    });
  const found: { readonly without: Taken; readonly with: Taken }[] = [];
  for (let pair = 0; pair < pairs; pair++) {
    // Each of them is the first of a pair in turn.
    const first = await run(pair % 2 === 1);
    const second = await run(pair % 2 === 0);
    found.push(pair % 2 === 0 ? { without: first, with: second } : { without: second, with: first });
  }
  for (const what of ['wall', 'processor'] as const) {
    for (const kind of ['without', 'with'] as const) {
      const seconds = found.map((pair) => pair[kind][what]);
      const all = seconds.map((each) => each.toFixed(1)).join(', ');
      print({ name: `  ${kind}, ${what} seconds: ${all}`, measured: `${median(seconds).toFixed(2)} s` });
    }
    const of = (kind: 'without' | 'with') => found.reduce((sum, pair) => sum + pair[kind][what], 0);
    const more = of('with') / of('without') - 1;
    print({
      name: `more ${what} time`,
      measured: `${(100 * more).toFixed(1)} %`,
      ...(what === 'processor' && { target: `<= ${100 * TARGET} %`, met: more <= TARGET }),
    });
  }
}

async function taken(work: () => Promise<void>): Promise<Taken> {
  const [began, before] = [performance.now(), await childrenSeconds()];
  await work();
  return { wall: (performance.now() - began) / 1000, processor: (await childrenSeconds()) - before };
}

/** Ticks of `/proc` in a second, on every Linux of today. */
const TICKS = 100;

/** Processor time of all child processes that have ended, and of theirs. */
async function childrenSeconds(): Promise<number> {
  const fields = (await readFile('/proc/self/stat', 'utf8')).replace(/^.*\) /s, '').split(' ');
  // cutime and cstime: fields 16 and 17 of the line, of which two are cut off.
  return (Number(fields[13]) + Number(fields[14])) / TICKS;
}
