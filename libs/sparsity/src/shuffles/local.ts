import { shuffleOf } from './internals.ts';
import { localStep } from './local-step.ts';

/**
 * Local block shuffle (E-Sparse, arXiv 2310.15929): in blocks of up to 256 consecutive channels, swaps the two
 * channels of different groups that raise the kept score most, until none does. Never lowers the kept score.
 */
export const local = shuffleOf('local', [localStep]);
