import { Worker } from 'node:worker_threads';
import type { PluginCall } from '@esparse/dataflow';
import { builtScript } from '@esparse/isolation';
import type { WatchedProcess } from './watchdog-thread.ts';

/** How often this thread shows that it is alive. */
const BEAT_MS = 250;
/** Bytes of the name of a call. */
const LABEL_BYTES = 512;
const SCRIPT = builtScript(import.meta.url, 'watchdog-thread');

/** Ends a process whose thread is held by a plug-in: see `startWatchdog`. */
export interface Watchdog {
  /** For `GuardOptions`. */
  watch(call: PluginCall): () => void;
  stop(): Promise<void>;
}

/**
 * A plug-in that never gives the thread back (an endless loop) cannot be timed out from within: a thread of its own checks
 * whether this one still beats, and otherwise reports which plug-in holds it and kills the process. Every state of a store is
 * one that a run goes on from, so nothing is lost but the block under way.
 */
export function startWatchdog(timeoutMs: number): Watchdog {
  const encoder = new TextEncoder();
  const beats = new Int32Array(new SharedArrayBuffer(8));
  const label = new Uint8Array(new SharedArrayBuffer(LABEL_BYTES));
  const workerData: WatchedProcess = { beats, label, timeoutMs };
  const thread = new Worker(SCRIPT, { workerData });
  thread.unref();
  const heart = setInterval(() => Atomics.add(beats, 0, 1), BEAT_MS);
  heart.unref();
  const running = new Set<PluginCall>();
  const showCall = () => {
    const call = [...running].at(-1);
    const text = call === undefined ? '' : `${call.plugin}, ${call.where}`;
    Atomics.store(beats, 1, encoder.encodeInto(text, label).written);
  };
  return {
    watch(call) {
      // A set tells objects apart by identity: a copy, so that a call object that is passed twice counts twice.
      const own = { ...call };
      running.add(own);
      showCall();
      return () => {
        running.delete(own);
        showCall();
      };
    },
    async stop() {
      clearInterval(heart);
      await thread.terminate();
    },
  };
}
