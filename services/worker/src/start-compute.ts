import { Worker } from 'node:worker_threads';
import { EsparseError } from '@esparse/errors';
import { createCaller } from './calls.ts';
import type { Compute } from './compute.ts';

/** `Compute` on a thread of its own. */
export interface ComputeThread {
  readonly call: ReturnType<typeof createCaller<Compute>>['call'];
  stop(): Promise<void>;
}

/** A thread runs built JavaScript, also where this file is run from its source (in tests). */
const SCRIPT = new URL(
  import.meta.url.endsWith('.ts') ? '../dist/compute-thread.js' : './compute-thread.js',
  import.meta.url,
);

/** Starts the thread that computes. @param threads - Threads of ONNX Runtime. */
export function startCompute(threads: number): ComputeThread {
  const thread = new Worker(SCRIPT, { workerData: { threads } });
  const { call, fail } = createCaller<Compute>(thread);
  thread.on('error', (cause) => {
    fail(new EsparseError('internal', `the computing thread failed: ${cause.message}`, { cause }));
  });
  thread.on('exit', () => {
    fail(new EsparseError('unavailable', 'the worker is stopping'));
  });
  // Calls keep the process alive, an idle thread does not.
  thread.unref();
  return {
    call,
    async stop() {
      await thread.terminate();
    },
  };
}
