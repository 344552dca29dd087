import { EsparseError } from '@esparse/errors';
import type { PruneOptions } from './options.ts';
import { roundingOf } from './plan/store-bytes.ts';

/**
 * Survivors are stored as integers, or in an encoding of the user's.
 *
 * @throws EsparseError 'usage' where both are asked for
 */
export function requireOneEncoding({
  pipeline,
  encoding,
}: Pick<PruneOptions, 'pipeline' | 'encoding'>): void {
  if (encoding === undefined || roundingOf(pipeline) === undefined) return;
  throw new EsparseError(
    'usage',
    `survivors are to be integers, and in the encoding ${encoding.encoding.name}: they have one of the two`,
    { hint: 'leave out --encoding, or values' },
  );
}
