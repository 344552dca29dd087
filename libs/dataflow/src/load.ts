import type { ObservableInput, OperatorFunction } from 'rxjs';
import { enrich } from './enrich.ts';
import type { LinearJob, LoadedLinear } from './linear.ts';

/** Reads a linear's weights. */
export type LoadWeights = (job: LinearJob) => ObservableInput<Pick<LoadedLinear, 'dtype' | 'weights'>>;

/** Reads the weights of each linear. */
export function load(read: LoadWeights): OperatorFunction<LinearJob, LoadedLinear> {
  return enrich(read);
}
