import { EsparseError } from '@esparse/errors';
import { MAX_GROUP } from '@esparse/kernels';

/** N:M sparsity: of every `group` consecutive inputs, in the shuffled order, `keep` weights survive. */
export interface Pattern {
  /** N, from 1 to group - 1. */
  readonly keep: number;
  /** M, from 2 to 16. */
  readonly group: number;
}

/**
 * Reads a pattern written keep:group.
 *
 * @example parsePattern('2:4') // { keep: 2, group: 4 }
 * @throws EsparseError 'usage' for anything else, naming the text
 */
export function parsePattern(text: string): Pattern {
  const [, keep, group] = /^(\d+):(\d+)$/.exec(text.trim()) ?? [];
  if (keep === undefined || group === undefined) throw noPattern(text);
  const pattern = { keep: Number(keep), group: Number(group) };
  if (pattern.group > MAX_GROUP) throw noPattern(text, ` (groups go to ${MAX_GROUP})`);
  if (!isPattern(pattern)) throw noPattern(text, ' (some of a group are kept, not none and not all)');
  return pattern;
}

/** Whether 1 <= keep < group <= 16, in whole numbers. */
export function isPattern({ keep, group }: Pattern): boolean {
  return Number.isInteger(keep) && Number.isInteger(group) && keep >= 1 && keep < group && group <= MAX_GROUP;
}

/** Writes a pattern as `parsePattern` reads it. */
export function formatPattern(pattern: Pattern): string {
  return `${pattern.keep}:${pattern.group}`;
}

/**
 * Refuses a linear whose inputs cannot be cut into groups.
 *
 * @throws EsparseError 'unsupported', naming the linear
 */
export function requireDivisible(linearName: string, cols: number, pattern: Pattern): void {
  if (cols % pattern.group === 0) return;
  throw new EsparseError(
    'unsupported',
    `${linearName} has ${cols} inputs, not a multiple of the ${pattern.group} of pattern ${formatPattern(pattern)}`,
    {
      hint: 'choose a pattern whose group divides the inputs, or leave such linears dense (--skip-indivisible)',
      context: { linear: linearName, cols, pattern: formatPattern(pattern) },
    },
  );
}

function noPattern(text: string, why = ''): EsparseError {
  return new EsparseError('usage', `"${text}" is no N:M pattern${why}`, {
    hint: `write keep:group with 1 <= keep < group <= ${MAX_GROUP}, such as 2:4, which keeps 2 of every 4`,
  });
}
