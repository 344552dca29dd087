import { setTimeout } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { EsparseError, isEsparseError } from '@esparse/errors';
import { builtScript } from '@esparse/isolation';
import { createCaller, type Methods } from './calls.ts';
import type { ComputeOptions } from './compute-inputs.ts';
import type { Compute } from './compute.ts';

/** `Compute` on a thread of its own. */
export interface ComputeThread {
  /** Once the device is lost, with the error that told it: nothing will be computed there again. */
  readonly lost: Promise<EsparseError>;
  readonly call: ReturnType<typeof createCaller<Compute>>['call'];
  /** Lets the call that computes end, cuts off one that reads, refuses those behind it, and ends the thread. */
  stop(): Promise<void>;
}

/** What the thread answers. */
export interface ComputeThreadMethods extends Compute {
  /** Ends all reading. */
  readonly stop: (nothing: undefined) => Promise<void>;
}

/**
 * How long calls that compute may take to end when the thread is stopped: a thread that is cut off within ONNX Runtime
 * takes the process down with it.
 */
const STOP_MS = 10_000;

/** What the thread is started with. */
export interface ComputeThreadData {
  readonly options: ComputeOptions;
  /** Not zero once calls that have not started are to be refused. */
  readonly stopping: Int32Array;
}

const SCRIPT = builtScript(import.meta.url, 'compute-thread');

/** Starts the thread that computes. */
export function startCompute(options: ComputeOptions): ComputeThread {
  const stopping = new Int32Array(new SharedArrayBuffer(4));
  const workerData: ComputeThreadData = { options, stopping };
  const thread = new Worker(SCRIPT, { workerData });
  const { call, fail } = createCaller<ComputeThreadMethods & Methods>(thread);
  const underWay = new Set<Promise<unknown>>();
  let lose: (error: EsparseError) => void = () => undefined;
  const lost = new Promise<EsparseError>((resolve) => (lose = resolve));
  thread.on('error', (cause) => {
    fail(new EsparseError('internal', `the computing thread failed: ${cause.message}`, { cause }));
  });
  thread.on('exit', () => {
    fail(new EsparseError('unavailable', 'the worker is stopping'));
  });
  // Calls keep the process alive, an idle thread does not.
  thread.unref();
  return {
    lost,
    call: (method, argument) => {
      if (underWay.size === 0) thread.ref();
      const answer = call(method, argument);
      underWay.add(answer);
      answer.catch((error: unknown) => {
        if (isEsparseError(error) && error.context.device === 'lost') lose(error);
      });
      return answer.finally(() => {
        underWay.delete(answer);
        if (underWay.size === 0) thread.unref();
      });
    },
    async stop() {
      Atomics.store(stopping, 0, 1);
      call('stop', undefined).catch(() => undefined); // the thread may have ended
      await Promise.race([Promise.allSettled(underWay), setTimeout(STOP_MS, undefined, { ref: false })]);
      await thread.terminate();
    },
  };
}
