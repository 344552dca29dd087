import { defer, from, tap } from 'rxjs';
import type { LinearJob, LoadedLinear, LoadWeights } from '@esparse/dataflow';
import type { OperatorMeter } from './meter.ts';
import { LOAD } from './names.ts';

type LoadedWeights = Pick<LoadedLinear, 'dtype' | 'weights'>;

/** The weights of a block's linears, which go through the chain. */
export interface MeasuredLoad {
  /** These will be loaded, in this order: the first are read now. */
  expect(jobs: readonly LinearJob[]): void;
  readonly load: LoadWeights;
}

/** Weights that are read before their linear asks for them. */
interface Ahead {
  readonly weights: Promise<LoadedWeights>;
  /** Ends that reading is held up by them. */
  release: () => void;
}

/**
 * Measures the reading of weights. While the chain has linears, those of the next ones are read; when they are there, reading is
 * held up.
 *
 * @param atOnce - linears that are read ahead, however many are in the chain
 */
export function measuredLoad(
  meter: OperatorMeter,
  read: (job: LinearJob) => Promise<LoadedWeights>,
  atOnce = 1,
): MeasuredLoad {
  let waiting: readonly LinearJob[] = [];
  const ahead = new Map<string, Ahead>();
  const begin = async (job: LinearJob) => {
    const end = meter.busy(LOAD);
    try {
      return await read(job);
    } finally {
      end();
    }
  };
  const beginNext = () => {
    while (ahead.size < atOnce && waiting.length > 0) {
      const [job, ...rest] = waiting as readonly [LinearJob, ...LinearJob[]];
      waiting = rest;
      const next: Ahead = { weights: begin(job), release: () => undefined };
      ahead.set(job.name, next);
      next.weights.then(
        () => {
          if (ahead.get(job.name) === next) next.release = meter.blocked(LOAD);
        },
        () => undefined, // told when it is the linear's turn, unless another has failed by then
      );
    }
  };
  return {
    expect(jobs) {
      waiting = [...waiting, ...jobs];
      meter.queue(LOAD, jobs.length);
      beginNext();
    },
    load(job) {
      const begun = ahead.get(job.name);
      begun?.release();
      ahead.delete(job.name);
      waiting = waiting.filter(({ name }) => name !== job.name);
      meter.queue(LOAD, -1);
      return defer(() =>
        from(begun?.weights ?? begin(job)).pipe(
          tap(() => {
            meter.done(LOAD, 1);
            beginNext();
          }),
        ),
      );
    },
  };
}
