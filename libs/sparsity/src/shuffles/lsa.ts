import { assignmentStep } from './assignment-step.ts';
import { globalStep, shuffleOf } from './internals.ts';

/**
 * Channel permutation by linear sum assignment (RIA, arXiv 2402.17946): the global shuffle's order, then channels of all
 * groups at a time assigned to the groups anew, as well as can be. Keeps no less than `global`, and mostly more than `both`;
 * the time grows faster than the square of the channels.
 */
export const lsa = shuffleOf('lsa', [globalStep, assignmentStep]);
