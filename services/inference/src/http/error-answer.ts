import { isRequestError, type RequestError } from '@esparse/errors';
import type { FastifyBaseLogger, FastifyError, FastifyReply } from 'fastify';
import { httpStatusOf } from './status.ts';

/** An error as it goes to an HTTP client: the body has OpenAI's form. */
export interface ErrorAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: {
    readonly error: {
      readonly message: string;
      readonly type: 'invalid_request_error' | 'rate_limit_error' | 'server_error';
      readonly param: string | null;
      readonly code: string | null;
    };
  };
}

interface ErrorAnswerDetails {
  readonly param?: string | undefined;
  readonly code?: string | undefined;
  readonly headers?: Readonly<Record<string, string>>;
}

/** An answer for errors that only HTTP knows; the status of any other follows from its kind, see `errorAnswerOf`. */
export function errorAnswer(
  status: number,
  message: string,
  { param, code, headers = {} }: ErrorAnswerDetails,
): ErrorAnswer {
  const type = status === 429 ? 'rate_limit_error' : status >= 500 ? 'server_error' : 'invalid_request_error';
  return { status, headers, body: { error: { message, type, param: param ?? null, code: code ?? null } } };
}

/** The answer to anything that was thrown; a fault of the server goes to the log, and of the client to it alone. */
export function errorAnswerOf(thrown: unknown, log: FastifyBaseLogger, bodyLimit: number): ErrorAnswer {
  if (isRequestError(thrown)) {
    // The engine has failed at it: the client is told how, too.
    if (thrown.kind === 'internal') log.error({ err: thrown }, 'a request failed');
    return answerOfRequestError(thrown);
  }
  const known = isFastifyError(thrown) ? answerOfFastifyError(thrown, bodyLimit) : undefined;
  if (known !== undefined) return known;
  log.error({ err: thrown }, 'a request failed');
  return errorAnswer(500, 'the server failed: its log says how', { code: 'internal_error' });
}

export function sendError(reply: FastifyReply, { status, headers, body }: ErrorAnswer): FastifyReply {
  return reply.code(status).headers(headers).send(body);
}

function answerOfRequestError({ kind, message, param, code, retryAfter }: RequestError): ErrorAnswer {
  return errorAnswer(httpStatusOf(kind), message, {
    param,
    code,
    headers: {
      ...(retryAfter !== undefined && { 'retry-after': String(retryAfter) }),
      ...(kind === 'unauthenticated' && { 'www-authenticate': 'Bearer' }),
    },
  });
}

/** Errors of the framework that are the client's; undefined for those that are ours. */
function answerOfFastifyError(error: FastifyError, bodyLimit: number): ErrorAnswer | undefined {
  const { code, statusCode = 500, message } = error;
  switch (code) {
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return errorAnswer(413, `the body has more than ${bodyLimit} bytes`, { code: 'body_too_large' });
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
    case 'FST_ERR_CTP_EMPTY_TYPE':
      return errorAnswer(415, 'the content type must be application/json', {
        code: 'unsupported_media_type',
      });
    case 'FST_ERR_CTP_INVALID_CONTENT_LENGTH':
      return errorAnswer(400, 'the body is shorter or longer than its content-length', {
        code: 'invalid_body',
      });
    case 'FST_ERR_CTP_EMPTY_JSON_BODY':
      return errorAnswer(400, 'the body is empty: expected a JSON object', { code: 'invalid_json' });
    case 'FST_ERR_BAD_URL':
      return errorAnswer(400, 'the path cannot be decoded', { code: 'invalid_url' });
    default:
      return statusCode < 500 ? errorAnswer(statusCode, message, { code: 'invalid_request' }) : undefined;
  }
}

function isFastifyError(value: unknown): value is FastifyError {
  return typeof value === 'object' && value !== null && 'code' in value && 'statusCode' in value;
}
