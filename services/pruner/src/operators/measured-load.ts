import { defer, finalize, from, tap } from 'rxjs';
import type { LoadWeights } from '@esparse/dataflow';
import type { OperatorMeter } from './meter.ts';
import { LOAD } from './names.ts';

/** The weights of a block's linears, which go through the chain one by one. */
export interface MeasuredLoad {
  /** So many more linears will be loaded. */
  expect(linears: number): void;
  readonly load: LoadWeights;
}

/** Measures the reading of weights: while the chain has a linear and others wait, reading is held up. */
export function measuredLoad(meter: OperatorMeter, load: LoadWeights): MeasuredLoad {
  let left = 0;
  let release: () => void = () => undefined;
  return {
    expect(linears) {
      left += linears;
      meter.queue(LOAD, linears);
    },
    load(job) {
      release();
      left--;
      meter.queue(LOAD, -1);
      return defer(() => {
        const end = meter.busy(LOAD);
        return from(load(job)).pipe(
          tap(() => {
            end();
            meter.done(LOAD, 1);
            if (left > 0) release = meter.blocked(LOAD);
          }),
          finalize(end),
        );
      });
    },
  };
}
