import { toEsparseError, type ErrorKind } from '@esparse/errors';
import type { Random } from './random.ts';

/** What is fuzzed, opened once in a process of its own. */
export interface Subject {
  /** Prepares the work in an empty folder. */
  open(home: string): Promise<OpenSubject>;
}

export interface OpenSubject {
  /** Makes one mutation by what `random` says, and tries it. @throws where a law does not hold */
  try(random: Random): Promise<Trial>;
  close(): Promise<void>;
}

/** What was mutated, and how it ended. */
export interface Trial {
  readonly what: string;
  /** Such as 'accepted', the kind of an error, or a status. */
  readonly outcome: string;
}

/** A law that did not hold, and what was done before. */
export class BrokenLaw extends Error {
  constructor(law: string, what: string, cause?: unknown) {
    super(`${law}, after ${what}`, { cause });
  }
}

/**
 * Does some work, which may end well or be refused by an error of one of these kinds.
 *
 * @returns the kind of the error, else undefined
 * @throws BrokenLaw for any other error
 */
export async function refusedAs(
  kinds: readonly ErrorKind[],
  what: string,
  work: () => Promise<unknown>,
): Promise<ErrorKind | undefined> {
  try {
    await work();
    return undefined;
  } catch (error) {
    const { kind } = toEsparseError(error);
    if (kinds.includes(kind)) return kind;
    throw new BrokenLaw(`refused as ${kind}, of ${kinds.join(', ')}`, what, error);
  }
}
