import type { BlockStageOptions } from '@esparse/dataflow';
import { EsparseError } from '@esparse/errors';
import type { RunContext } from './run-context.ts';

/** Tunes a block on a worker. */
export function tuneBlock(_context: RunContext): BlockStageOptions['tune'] {
  return () => Promise.reject(new EsparseError('unsupported', 'workers of this version do not tune blocks'));
}
