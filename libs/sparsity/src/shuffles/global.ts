import { globalStep } from './global-step.ts';
import { shuffleOf } from './internals.ts';

/**
 * Global naive shuffle (E-Sparse, arXiv 2310.15929): ranks the channels by their mean score and deals them to
 * the groups in a snake, so that channels of similar importance land in different groups. Cheap.
 */
export const global = shuffleOf('global', [globalStep]);
