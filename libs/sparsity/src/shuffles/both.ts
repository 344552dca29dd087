import { globalStep, localStep, shuffleOf } from './internals.ts';

/** The global shuffle, then the local one in blocks of its order: E-Sparse's own. Keeps no less than `global`. */
export const both = shuffleOf('both', [globalStep, localStep]);
