import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { REPOSITORY } from '../support/repository.ts';
import type { Answer } from './subject-process.ts';
import type { SubjectName } from './subjects/index.ts';

/** The first seed: the same mutations each time, unless others are asked for. */
const FIRST_SEED = Number(process.env.ESPARSE_FUZZ_SEED ?? 1);
/** The one seed to try again, as a failure prints it. */
const ONLY = process.env.ESPARSE_FUZZ_ONLY;
/**
 * How long a mutation may take. A tokenizer may take longer than anything else before it is given up: 20 s to be opened, and
 * 15 s for a text.
 */
const HANG_MS: Readonly<Record<SubjectName, number>> = {
  stores: 20_000,
  checkpoints: 20_000,
  headers: 20_000,
  requests: 20_000,
  calls: 20_000,
  tokenizers: 60_000,
};
/** The most memory that a mutation of some kilobytes may cost. */
const MAX_PEAK_MIB = 1536;
/** Failures after which a subject is not tried further. */
const MAX_FAILURES = 10;

/**
 * Tries mutations of a subject, one a seed, in a process of its own, which is started again where it ends.
 *
 * @returns the laws that were broken, with the seed and what was mutated; empty where all held
 */
export async function fuzz(name: SubjectName, count: number): Promise<string[]> {
  const seeds = ONLY === undefined ? Array.from({ length: count }, (_, i) => FIRST_SEED + i) : [Number(ONLY)];
  const outcomes = new Map<string, number>();
  const failures: string[] = [];
  const home = await mkdtemp(path.join(tmpdir(), 'esparse-fuzz-'));
  let child: ChildProcess | undefined;
  try {
    for (const seed of seeds) {
      child ??= await start(name, await mkdtemp(path.join(home, 'try-')));
      const answer = await answerOf(child, seed, HANG_MS[name]);
      if (ONLY !== undefined) process.stderr.write(`${JSON.stringify(answer)}\n`);
      const { outcome, broken } = answer;
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
      if (broken === undefined) continue;
      failures.push(`ESPARSE_FUZZ_ONLY=${seed}: ${broken}`);
      if (outcome === 'ended') child = undefined;
      if (failures.length === MAX_FAILURES) break;
    }
  } finally {
    if (child !== undefined) await stop(child);
    await rm(home, { recursive: true });
  }
  const tally = [...outcomes].sort((a, b) => b[1] - a[1]).map(([outcome, times]) => `${times} ${outcome}`);
  process.stderr.write(`fuzz ${name}: seeds ${seeds[0]} to ${seeds.at(-1)}: ${tally.join(', ')}\n`);
  return failures;
}

async function start(name: SubjectName, home: string): Promise<ChildProcess> {
  const child = fork(path.join(REPOSITORY, 'test/dist/fuzz/subject-process.js'), [name, home], {
    execArgv: ['--max-old-space-size=1024'],
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  let said = '';
  child.stderr!.on('data', (text: Buffer) => (said = (said + text.toString()).slice(-4000)));
  child.once('exit', (code, signal) => child.emit('ended', `${String(code ?? signal)}: ${said}`));
  await Promise.race([
    once(child, 'message'),
    once(child, 'ended').then(([how]) => {
      throw new Error(`${name} could not be opened: ${String(how)}`);
    }),
  ]);
  return child;
}

/** What comes of a seed; 'ended' where the process did not answer, and is gone. */
async function answerOf(
  child: ChildProcess,
  seed: number,
  hangMs: number,
): Promise<Pick<Answer, 'outcome' | 'broken'>> {
  const timer = setTimeout(() => child.kill('SIGKILL'), hangMs);
  const settled = new AbortController();
  const { signal } = settled;
  try {
    child.send(seed);
    return await Promise.race([
      once(child, 'message', { signal }).then(([answer]) => withinMemory(answer as Answer)),
      once(child, 'ended', { signal }).then(([how]) => ({
        outcome: 'ended',
        broken: `the process ended, or was killed after ${hangMs / 1000} s, with ${String(how)}`,
      })),
    ]);
  } finally {
    clearTimeout(timer);
    settled.abort();
  }
}

function withinMemory(answer: Answer): Pick<Answer, 'outcome' | 'broken'> {
  const { what, peakMiB, broken } = answer;
  if (broken !== undefined || peakMiB <= MAX_PEAK_MIB) return answer;
  return { outcome: 'broken', broken: `${Math.round(peakMiB)} MiB of memory, after ${what}` };
}

async function stop(child: ChildProcess): Promise<void> {
  const exited = once(child, 'exit');
  child.disconnect();
  await exited;
}
