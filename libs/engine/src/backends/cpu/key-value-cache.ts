import { EsparseError } from '@esparse/errors';
import { kindOf, type ModelDescription } from '@esparse/model';
import { cpuOperationOf } from './operations.ts';

/** The keys and values of all sequences, in pages of 16 tokens. A page number means the same page in every part. */
export interface KeyValueCache {
  readonly pages: number;
  /** Bytes of one page, over all blocks. */
  readonly pageBytes: number;
  /** The part of one operation of a block's program: (pages x its pageFloats), empty where it keeps nothing. */
  part(block: number, operation: number): Float32Array;
}

/**
 * Makes a cache of at most so many bytes. The system gives its memory page by page as it is first written to, so that an
 * idle server holds none of it.
 *
 * @throws EsparseError 'usage' where not one page fits, or more than one array can hold
 */
export function createKeyValueCache(description: ModelDescription, bytes: number): KeyValueCache {
  const kinds = description.program.blocks.map((block) =>
    block.map((op) => cpuOperationOf(op).pageFloats?.(op) ?? 0),
  );
  const sizes = Array.from(
    { length: description.blocks },
    (_, block) => kinds[kindOf(description.program, block)]!,
  );
  const floats = sizes.flat().reduce((sum, size) => sum + size, 0);
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
  for (const block of sizes) {
    parts.push(block.map((size) => memory.subarray(at, (at += pages * size))));
  }
  return { pages, pageBytes, part: (block, operation) => parts[block]![operation]! };
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
