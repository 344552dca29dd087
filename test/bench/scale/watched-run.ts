import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { ESPARSE } from '../../support/repository.ts';
import { childrenOf } from '../../support/processes.ts';
import { residentOf, type Resident } from './resident.ts';

const SAMPLE_MS = 100;

/** The most that a process held while one block was worked on; file and anonymous pages each at their own highest. */
export type BlockPeak = Omit<Resident, 'peak'>;

/** What was seen of a run from outside. */
export interface WatchedRun {
  /** The last event: the report. */
  readonly report: Record<string, unknown>;
  readonly seconds: number;
  /** Seconds of each block, as prune reports them. */
  readonly blockSeconds: readonly number[];
  /** By block. */
  readonly pruner: readonly BlockPeak[];
  readonly worker: readonly BlockPeak[];
  /** The kernel's own high-water marks: anonymous and file pages together. */
  readonly prunerPeak: number;
  readonly workerPeak: number;
}

/** Runs `esparse prune … --json` with the worker that it starts, and looks at both processes' memory ten times a second. */
export async function watchedPrune(...args: string[]): Promise<WatchedRun> {
  const started = performance.now();
  const child = spawn(process.execPath, [ESPARSE, 'prune', ...args, '--json'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const blockSeconds: number[] = [];
  const pruner: BlockPeak[] = [];
  const worker: BlockPeak[] = [];
  const peaks = { pruner: 0, worker: 0 };
  let report: Record<string, unknown> = {};
  let block = 0;
  createInterface(child.stdout).on('line', (line) => {
    const event = JSON.parse(line) as Record<string, unknown>;
    if (event.event === 'committed') blockSeconds.push(Number(event.seconds));
    if (event.event === 'progress') block = Number(event.block);
    if (event.event === 'finished') report = event;
  });
  const look = async () => {
    const at = block;
    const own = await residentOf(child.pid!);
    if (own !== undefined) peaks.pruner = Math.max(peaks.pruner, note(pruner, at, own));
    for (const pid of await childrenOf(child.pid!)) {
      const other = await residentOf(pid);
      if (other !== undefined) peaks.worker = Math.max(peaks.worker, note(worker, at, other));
    }
  };
  const timer = setInterval(() => void look(), SAMPLE_MS);
  const [code] = (await once(child, 'close')) as [number | null];
  clearInterval(timer);
  if (code !== 0) throw new Error(`esparse prune ended with ${String(code)}`);
  const seconds = (performance.now() - started) / 1000;
  return {
    report,
    seconds,
    blockSeconds,
    pruner,
    worker,
    prunerPeak: peaks.pruner,
    workerPeak: peaks.worker,
  };
}

function note(peaks: BlockPeak[], block: number, { anonymous, file, peak }: Resident): number {
  const before = peaks[block] ?? { anonymous: 0, file: 0 };
  peaks[block] = { anonymous: Math.max(before.anonymous, anonymous), file: Math.max(before.file, file) };
  return peak;
}
