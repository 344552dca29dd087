import { globalStep } from './global-step.ts';
import { shuffleOf } from './internals.ts';
import { localStep } from './local-step.ts';

/** The global shuffle, then the local one in blocks of its order: E-Sparse's own. Keeps no less than `global`. */
export const both = shuffleOf('both', [globalStep, localStep]);
