import { shuffleOf } from './internals.ts';

/** Leaves the inputs in their original order. */
export const none = shuffleOf('none', []);
