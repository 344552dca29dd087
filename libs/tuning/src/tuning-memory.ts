import { EsparseError } from '@esparse/errors';

/**
 * GiB of memory that the sequences of a block may take while it is tuned, in this variable; the others lie in a temporary file. It
 * is no option of a run, whose outcome does not depend on it.
 */
export const TUNING_MEMORY = 'ESPARSE_TUNING_MEMORY';
const MEMORY_GIB = 2;

/** The same in bytes. @throws EsparseError 'usage' where the variable is not a number of GiB */
export function tuningMemory(): number {
  const text = process.env[TUNING_MEMORY] ?? String(MEMORY_GIB);
  const gibibytes = Number(text);
  if (text.trim() !== '' && gibibytes >= 0 && gibibytes < Infinity) return gibibytes * 2 ** 30;
  throw new EsparseError('usage', `${TUNING_MEMORY} is "${text}": expected GiB, such as 2 or 0.5`);
}

/**
 * Hidden states lie in pieces of so many bytes, or of one sequence where that is more: where each sequence has a piece of its own,
 * V8 collects its heap for every few of them.
 */
export const TUNING_PIECE_BYTES = 64 << 20;
