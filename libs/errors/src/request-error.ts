import { EsparseError, type ErrorDetails } from './error.ts';
import type { ErrorKind } from './error-kind.ts';

/** What an error of a request may carry beside its message. */
export interface RequestErrorDetails extends ErrorDetails {
  /** A word for programs that says more than the kind, such as 'queue_full'. */
  readonly code?: string | undefined;
  /** The field of the request that is at fault. */
  readonly param?: string | undefined;
  /** Seconds after which to try again. */
  readonly retryAfter?: number | undefined;
}

const BRAND = Symbol.for('esparse.request-error');

/**
 * An error that the client of a request is told as it is, whatever protocol it speaks. Any other error that is thrown
 * while a request is served is for the server's log: its message may name files and options of the server.
 */
export class RequestError extends EsparseError {
  readonly code: string | undefined;
  readonly param: string | undefined;
  readonly retryAfter: number | undefined;
  /** Recognised by `isRequestError`, also where another copy of this module made the error. */
  readonly [BRAND] = true;

  constructor(kind: ErrorKind, message: string, details: RequestErrorDetails = {}) {
    super(kind, message, details);
    this.code = details.code;
    this.param = details.param;
    this.retryAfter = details.retryAfter;
  }
}

/** A field that cannot be used as given. */
export function invalidField(param: string, message: string, code?: string): RequestError {
  return new RequestError('invalid', message, { param, code });
}

/** Tells an error that a client may be told from any other value. */
export function isRequestError(value: unknown): value is RequestError {
  return typeof value === 'object' && value !== null && BRAND in value;
}
