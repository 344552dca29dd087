import { writeSync } from 'node:fs';
import { workerData } from 'node:worker_threads';

/** What the watched thread and this one share. */
export interface WatchedProcess {
  /** How often the watched thread has beaten, and how many bytes of `label` name the call that it is in: 0 outside calls. */
  readonly beats: Int32Array;
  readonly label: Uint8Array;
  readonly timeoutMs: number;
}

/** How often the watched thread is checked. */
const LOOK_MS = 250;

const { beats, label, timeoutMs } = workerData as WatchedProcess;
let seen = 0;
/** Checks in a row without a beat. Not a time: it would run on while both threads are stopped, as by Ctrl-Z. */
let silent = 0;

setInterval(() => {
  const now = Atomics.load(beats, 0);
  const length = Atomics.load(beats, 1);
  if (now !== seen || length === 0) {
    seen = now;
    silent = 0;
    return;
  }
  if (++silent * LOOK_MS < timeoutMs) return;
  // The text is copied: decoders refuse shared memory.
  const call = new TextDecoder().decode(label.slice(0, length));
  // Standard error by its number: its stream belongs to the thread that hangs.
  writeSync(
    2,
    `error: ${call}: it has held the thread for ${timeoutMs / 1000} s, and the process is killed\n` +
      '  an endless loop? Committed blocks are safe; where a call takes that long, raise --plugin-timeout\n',
  );
  process.kill(process.pid, 'SIGKILL');
}, LOOK_MS);
