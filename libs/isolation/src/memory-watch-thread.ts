/** The thread that watches the memory of an isolated process: see `memory-watch.ts`. */
import { writeSync } from 'node:fs';
import { workerData } from 'node:worker_threads';
import { LAST_WORDS } from './last-words.ts';
import type { MemoryWatch } from './memory-watch.ts';

/** How often it looks: a process that allocates as fast as it can takes some 100 MiB more meanwhile. */
const INTERVAL_MS = 25;

const { limit } = workerData as MemoryWatch;
const parent = process.ppid;

setInterval(() => {
  const allowed = Atomics.load(limit, 0);
  const tooMuch = process.memoryUsage.rss() > allowed * 2 ** 20;
  if (tooMuch) writeSync(2, `${LAST_WORDS}needs more than ${allowed} MiB of memory\n`);
  if (tooMuch || process.ppid !== parent) process.kill(process.pid, 'SIGKILL');
}, INTERVAL_MS);
