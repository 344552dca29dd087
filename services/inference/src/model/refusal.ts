import type { ErrorKind } from '@esparse/errors';

/** A run that could not be served. */
export interface Refusal {
  /** The run, and the version of its tokenizer. */
  readonly wanted: string;
  /** When it may be tried again by itself, by `performance.now()`; never where it is what is wrong. */
  readonly until: number;
  readonly pauseMs: number;
}

/** What passes without a change of the store: it is out of reach, or others hold memory or the disk. */
const PASSING: ReadonlySet<ErrorKind> = new Set(['unavailable', 'space']);

/** Pauses between two tries: each is twice the last one, since a try may read the whole run. */
const FIRST_PAUSE_MS = 2_000;
const LONGEST_PAUSE_MS = 600_000;

/** @param before the refusal before this one, of whatever */
export function refusalOf(
  wanted: string,
  kind: ErrorKind,
  before: Refusal | undefined,
  now: number = performance.now(),
): Refusal {
  if (!PASSING.has(kind)) return { wanted, pauseMs: FIRST_PAUSE_MS, until: Infinity };
  const pauseMs = before?.wanted === wanted ? Math.min(2 * before.pauseMs, LONGEST_PAUSE_MS) : FIRST_PAUSE_MS;
  return { wanted, pauseMs, until: now + pauseMs };
}
