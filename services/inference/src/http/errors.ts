import type { Socket } from 'node:net';
import type { FastifyBaseLogger, FastifyError, FastifyReply } from 'fastify';
import { ApiError, isApiError } from '../api/api-error.ts';

/** What a client is told of anything that was thrown, in OpenAI's form. */
export function toApiError(thrown: unknown, log: FastifyBaseLogger, bodyLimit: number): ApiError {
  if (isApiError(thrown)) return thrown;
  if (isFastifyError(thrown)) {
    switch (thrown.code) {
      case 'FST_ERR_CTP_BODY_TOO_LARGE':
        return new ApiError(413, `the body has more than ${bodyLimit} bytes`, { code: 'body_too_large' });
      case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
      case 'FST_ERR_CTP_EMPTY_TYPE':
        return new ApiError(415, 'the content type must be application/json', {
          code: 'unsupported_media_type',
        });
      case 'FST_ERR_CTP_INVALID_CONTENT_LENGTH':
        return new ApiError(400, 'the body is shorter or longer than its content-length', {
          code: 'invalid_body',
        });
      case 'FST_ERR_CTP_EMPTY_JSON_BODY':
        return new ApiError(400, 'the body is empty: expected a JSON object', { code: 'invalid_json' });
      case 'FST_ERR_BAD_URL':
        return new ApiError(400, 'the path cannot be decoded', { code: 'invalid_url' });
    }
    if (thrown.statusCode !== undefined && thrown.statusCode < 500) {
      return new ApiError(thrown.statusCode, thrown.message, { code: 'invalid_request' });
    }
  }
  log.error({ err: thrown }, 'a request failed');
  return new ApiError(500, 'the server failed: its log says how', { code: 'internal_error' });
}

function isFastifyError(value: unknown): value is FastifyError {
  return typeof value === 'object' && value !== null && 'code' in value && 'statusCode' in value;
}

export function sendApiError(reply: FastifyReply, error: ApiError): FastifyReply {
  const { retryAfter, headers = {} } = error.details;
  if (retryAfter !== undefined) void reply.header('retry-after', String(retryAfter));
  return reply.code(error.status).headers(headers).send(error.body);
}

/** Answers what is no HTTP, or comes too slowly to be a request: nobody else sees it. */
export function answerClientError(error: NodeJS.ErrnoException, socket: Socket): void {
  if (!socket.writable || error.code === 'ECONNRESET') {
    socket.destroy();
    return;
  }
  const { status, ...told } = faultOf(error.code);
  const body = JSON.stringify(
    new ApiError(Number(status.slice(0, 3)), told.message, { code: told.code }).body,
  );
  socket.end(
    `HTTP/1.1 ${status}\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n` +
      `connection: close\r\n\r\n${body}`,
  );
}

function faultOf(code: string | undefined): { status: string; message: string; code: string } {
  switch (code) {
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return {
        status: '408 Request Timeout',
        message: 'the request came too slowly',
        code: 'request_timeout',
      };
    case 'HPE_HEADER_OVERFLOW':
      return {
        status: '431 Request Header Fields Too Large',
        message: 'the headers are too large',
        code: 'headers_too_large',
      };
    default:
      return { status: '400 Bad Request', message: 'this is no HTTP request', code: 'invalid_http' };
  }
}
