import type { PrunableModel } from '@esparse/model';
import { patternInWords, type Layers } from './layers.ts';
import type { PruneOptions } from './options.ts';
import { roundingOf } from './plan/store-bytes.ts';

/** What should be known where survivors are to be integers, and nothing is pruned: there are none, and nothing is rounded. */
export function valuesNotes(
  { pipeline, pattern, denseValues }: Pick<PruneOptions, 'pipeline' | 'pattern' | 'denseValues'>,
  description: PrunableModel,
  layers: Layers,
): string[] {
  const rounded = roundingOf(pipeline) !== undefined && denseValues === undefined;
  if (!rounded || patternInWords(description, layers, pattern) !== 'dense') return [];
  return [
    'nothing is pruned, so that values= rounds nothing: --dense-values stores what is not pruned as integers',
  ];
}
