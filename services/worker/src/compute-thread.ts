/** The script of the thread that computes: see `compute.ts`. */
import { parentPort, workerData } from 'node:worker_threads';
import { EsparseError } from '@esparse/errors';
import { loadInThread } from '@esparse/model';
import { serveCalls, type Methods } from './calls.ts';
import { createCompute } from './compute.ts';
import type { ComputeThreadData, ComputeThreadMethods } from './start-compute.ts';

if (parentPort === null) throw new EsparseError('internal', 'compute-thread is started as a thread');
const { options, stopping } = workerData as ComputeThreadData;

/** Methods that begin nothing once the thread is being stopped. */
function untilStopped(methods: Methods): Methods {
  const entries = Object.entries(methods).map(([name, run]): [string, Methods[string]] => [
    name,
    async (argument) => {
      if (Atomics.load(stopping, 0) !== 0) throw new EsparseError('unavailable', 'the worker is stopping');
      return run(argument);
    },
  ]);
  return Object.fromEntries(entries);
}

/** Ends what waits for a disk or a server. */
const stopped = new AbortController();

const stop: ComputeThreadMethods['stop'] = () => {
  stopped.abort(new EsparseError('unavailable', 'the worker is stopping'));
  return Promise.resolve();
};

await loadInThread(options.family, options.encoding);
serveCalls(parentPort, { ...untilStopped(createCompute(options, stopped.signal)), stop });
