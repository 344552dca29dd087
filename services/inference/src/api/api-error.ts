/** OpenAI's classes of error. */
export type ApiErrorType = 'invalid_request_error' | 'rate_limit_error' | 'server_error';

export interface ApiErrorDetails {
  /** The field of the request that is at fault. */
  readonly param?: string | undefined;
  readonly code?: string | undefined;
  /** Seconds after which to try again. */
  readonly retryAfter?: number | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

/** What a client is told when its request cannot be served: an HTTP status, and OpenAI's fields. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly status: number;
  readonly type: ApiErrorType;
  readonly details: ApiErrorDetails;

  constructor(status: number, message: string, details: ApiErrorDetails = {}) {
    super(message);
    this.status = status;
    this.details = details;
    this.type =
      status === 429 ? 'rate_limit_error' : status >= 500 ? 'server_error' : 'invalid_request_error';
  }

  /** The body of the answer. */
  get body() {
    const { param = null, code = null } = this.details;
    return { error: { message: this.message, type: this.type, param, code } };
  }
}

/** A field that cannot be used as given. */
export function badField(param: string, message: string, code?: string): ApiError {
  return new ApiError(400, message, { param, code });
}

export function isApiError(value: unknown): value is ApiError {
  return typeof value === 'object' && value !== null && 'name' in value && value.name === 'ApiError';
}
