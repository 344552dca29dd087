import type { Shuffle } from '../shuffle.ts';
import { shuffleOf } from './internals.ts';

/** Leaves the inputs in their original order. */
export const none: Shuffle = shuffleOf('none', []);
