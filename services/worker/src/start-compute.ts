import { Worker } from 'node:worker_threads';
import { EsparseError } from '@esparse/errors';
import { createCaller } from './calls.ts';
import type { Compute, ComputeOptions } from './compute.ts';

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

/** Starts the thread that computes. */
export function startCompute(options: ComputeOptions): ComputeThread {
  // cuBLAS would round f32 to 10 bits (TF32) unless told not to. It asks the process, which a thread cannot tell.
  if (options.device === 'cuda') process.env.NVIDIA_TF32_OVERRIDE ??= '0';
  const thread = new Worker(SCRIPT, { workerData: options });
  const { call, fail } = createCaller<Compute>(thread);
  let calls = 0;
  thread.on('error', (cause) => {
    fail(new EsparseError('internal', `the computing thread failed: ${cause.message}`, { cause }));
  });
  thread.on('exit', () => {
    fail(new EsparseError('unavailable', 'the worker is stopping'));
  });
  // Calls keep the process alive, an idle thread does not.
  thread.unref();
  return {
    call: (method, argument) => {
      if (calls++ === 0) thread.ref();
      return call(method, argument).finally(() => {
        if (--calls === 0) thread.unref();
      });
    },
    async stop() {
      await thread.terminate();
    },
  };
}
