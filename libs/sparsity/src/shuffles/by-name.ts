import { z } from 'zod';
import type { Shuffle } from '../shuffle.ts';
import { both } from './both.ts';
import { foldable } from './foldable.ts';
import { global } from './global.ts';
import { local } from './local.ts';
import { lsa } from './lsa.ts';
import { none } from './none.ts';

/** The shuffles that come with esparse, by the names that the option `shuffle` of a pipeline takes. */
export const SHUFFLES = { none, global, local, both, lsa, foldable } satisfies Record<string, () => Shuffle>;

/** The name of a shuffle that comes with esparse. */
export type ShuffleName = keyof typeof SHUFFLES;

/** The option `shuffle` of a pipeline: one of those that come with esparse. */
export function shuffleOption(byDefault: ShuffleName) {
  const names = Object.keys(SHUFFLES) as ShuffleName[];
  return z.enum(names).default(byDefault).describe('channel shuffles to run');
}
