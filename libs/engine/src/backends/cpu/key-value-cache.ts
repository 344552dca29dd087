import { EsparseError } from '@esparse/errors';
import { pageFloats } from '@esparse/kernels';
import type { AttentionOp, ModelDescription } from '@esparse/model';

/** The keys and values of all sequences, in pages of 16 tokens. A page number means the same page in every part. */
export interface KeyValueCache {
  readonly pages: number;
  /** Bytes of one page, over all blocks. */
  readonly pageBytes: number;
  /** The part of one attention of a block: (pages x pageFloats). */
  part(block: number, attention: number): Float32Array;
}

/**
 * Makes a cache of at most so many bytes. The system gives its memory page by page as it is first written to, so that an
 * idle server holds none of it.
 *
 * @throws EsparseError 'usage' where not one page fits, or more than one array can hold
 */
export function createKeyValueCache(description: ModelDescription, bytes: number): KeyValueCache {
  const sizes = attentionsOf(description).map(pageFloats);
  const floats = description.blocks * sizes.reduce((sum, size) => sum + size, 0);
  const pageBytes = floats * 4;
  const pages = Math.floor(bytes / Math.max(pageBytes, 1));
  if (pages < 1) {
    throw new EsparseError(
      'usage',
      `a key-value cache of ${bytes} bytes holds no page of ${pageBytes} bytes`,
      {
        hint: 'give the cache more memory',
      },
    );
  }
  const memory = allocate(pages * floats, bytes);
  const parts: Float32Array[][] = [];
  let at = 0;
  for (let block = 0; block < description.blocks; block++) {
    parts.push(sizes.map((size) => memory.subarray(at, (at += pages * size))));
  }
  return { pages, pageBytes, part: (block, attention) => parts[block]![attention]! };
}

function attentionsOf({ program }: ModelDescription): AttentionOp[] {
  return program.filter((op): op is AttentionOp => op.op === 'attention');
}

function allocate(floats: number, bytes: number): Float32Array {
  try {
    return new Float32Array(floats);
  } catch (error) {
    throw new EsparseError('usage', `a key-value cache of ${bytes} bytes cannot be had on this system`, {
      hint: 'give the cache less memory',
      cause: error,
    });
  }
}
