import type { ErrorKind } from './error-kind.ts';

/** What an error may carry beside its message. */
export interface ErrorDetails {
  /** What the user can do about it, as one sentence. */
  readonly hint?: string | undefined;
  /** Where it happened: file, tensor, block, tap, option; values are printed as they are. */
  readonly context?: Readonly<Record<string, string | number>> | undefined;
  /** The error that led to this one. */
  readonly cause?: unknown;
}

const BRAND = Symbol.for('esparse.error');

/** The one error class of esparse: tagged by `kind`, with its context in fields. */
export class EsparseError extends Error {
  override readonly name = 'EsparseError';
  readonly kind: ErrorKind;
  readonly hint: string | undefined;
  readonly context: Readonly<Record<string, string | number>>;
  /** Recognised by `isEsparseError`, also where another copy of this module made the error. */
  readonly [BRAND] = true;

  constructor(kind: ErrorKind, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.kind = kind;
    this.hint = details.hint;
    this.context = details.context ?? {};
  }
}

/** Tells an esparse error from any other value, across module copies and realms (no `instanceof`). */
export function isEsparseError(value: unknown): value is EsparseError {
  return typeof value === 'object' && value !== null && BRAND in value;
}

/** Makes an error of any thrown value: an esparse error stays as it is, everything else becomes `internal`. */
export function toEsparseError(value: unknown): EsparseError {
  if (isEsparseError(value)) return value;
  const known = fromSystemError(value);
  if (known !== undefined) return known;
  return new EsparseError('internal', messageOf(value), { cause: value });
}

/** The message of any thrown value. */
export function messageOf(value: unknown): string {
  return typeof value === 'object' && value !== null && 'message' in value
    ? String(value.message)
    : String(value);
}

/** Where an error was thrown, from its stack, such as 'at score (mine.ts:5:3)'. */
export function whereThrown(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null || !('stack' in value)) return undefined;
  const line = String(value.stack)
    .split('\n')
    .find((text) => /^\s*at /.test(text));
  return line?.trim();
}

/** A full disk and a cancelled call, which Node reports in its own way. */
function fromSystemError(value: unknown): EsparseError | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const code = 'code' in value ? value.code : undefined;
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    const path = 'path' in value && typeof value.path === 'string' ? ` (${value.path})` : '';
    return new EsparseError('space', `no space left on the device${path}`, {
      hint: 'free some space, or choose another --store',
      cause: value,
    });
  }
  if ('name' in value && value.name === 'AbortError') {
    return new EsparseError('cancelled', 'cancelled', { cause: value });
  }
  return undefined;
}
