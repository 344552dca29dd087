import { defer, from, tap } from 'rxjs';
import type { LinearJob, LoadedLinear, LoadWeights } from '@esparse/dataflow';
import type { OperatorMeter } from './meter.ts';
import { LOAD } from './names.ts';

type LoadedWeights = Pick<LoadedLinear, 'dtype' | 'weights'>;

/** The weights of a block's linears, which go through the chain one by one. */
export interface MeasuredLoad {
  /** These will be loaded, in this order. */
  expect(jobs: readonly LinearJob[]): void;
  readonly load: LoadWeights;
}

/**
 * Measures the reading of weights. While the chain has a linear, those of the next one are read; when they are there, reading is
 * held up. One is read ahead at a time, however many are in the chain.
 */
export function measuredLoad(
  meter: OperatorMeter,
  read: (job: LinearJob) => Promise<LoadedWeights>,
): MeasuredLoad {
  let waiting: readonly LinearJob[] = [];
  let ahead: { readonly job: LinearJob; readonly weights: Promise<LoadedWeights> } | undefined;
  let release: () => void = () => undefined;
  const begin = async (job: LinearJob) => {
    const end = meter.busy(LOAD);
    try {
      return await read(job);
    } finally {
      end();
    }
  };
  const beginNext = () => {
    const [job] = waiting;
    if (job === undefined || ahead !== undefined) return;
    const next = { job, weights: begin(job) };
    ahead = next;
    next.weights.then(
      () => {
        if (ahead === next) release = meter.blocked(LOAD);
      },
      () => undefined, // told when it is the linear's turn, unless another has failed by then
    );
  };
  return {
    expect(jobs) {
      waiting = [...waiting, ...jobs];
      meter.queue(LOAD, jobs.length);
    },
    load(job) {
      release();
      waiting = waiting.filter((other) => other !== job);
      meter.queue(LOAD, -1);
      return defer(() => {
        const weights = ahead?.job === job ? ahead.weights : begin(job);
        ahead = undefined;
        return from(weights).pipe(
          tap(() => {
            meter.done(LOAD, 1);
            beginNext();
          }),
        );
      });
    },
  };
}
