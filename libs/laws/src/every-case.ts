import fc from 'fast-check';

/** How thoroughly a law is tried. */
export interface LawOptions {
  /** Cases that are drawn. @default 50 */
  readonly runs?: number;
  /** The same seed draws the same cases. @default 0 */
  readonly seed?: number;
}

/**
 * Tries a law on drawn cases, and on ever simpler ones where one breaks it.
 *
 * @param show - A case in words, for the message.
 * @throws Error that names the subject, the law and the simplest case found that breaks it; the check's own error is
 *   its cause.
 */
export async function everyCase<Case>(
  subject: string,
  cases: fc.Arbitrary<Case>,
  check: (example: Case) => Promise<void>,
  show: (example: Case) => string,
  { runs = 50, seed = 0 }: LawOptions = {},
): Promise<void> {
  const outcome = await fc.check(fc.asyncProperty(cases, check), { numRuns: runs, seed });
  if (!outcome.failed) return;
  const [example] = outcome.counterexample ?? [];
  const why = messageOf(outcome.errorInstance);
  const where = example === undefined ? '' : `\n  with ${show(example)}`;
  throw new Error(`${subject}: ${why}${where}\n  (seed ${seed})`, { cause: outcome.errorInstance });
}

/** Throws where a law does not hold. */
export function must(holds: boolean, law: string): asserts holds {
  if (!holds) throw new Error(law);
}

function messageOf(error: unknown): string {
  return error instanceof Object && 'message' in error ? String(error.message) : String(error);
}
