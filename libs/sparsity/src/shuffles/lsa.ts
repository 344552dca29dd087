import { assignmentStep } from './assignment-step.ts';
import { globalStep } from './global-step.ts';
import { shuffleOf } from './internals.ts';

/**
 * Channel permutation by linear sum assignment (RIA, arXiv 2402.17946): the global shuffle's order, then channels of all
 * groups at a time assigned to the groups anew, as well as can be. Keeps no less than `global`, and mostly more than `both`;
 * the time grows with the square of the channels.
 *
 * Version 2: of equally good assignments another one may be found, as where several channels are always zero.
 */
export const lsa = shuffleOf('lsa', [globalStep, assignmentStep], 2);
