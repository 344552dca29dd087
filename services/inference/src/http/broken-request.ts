import { STATUS_CODES, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { errorAnswer, type ErrorAnswer } from './error-answer.ts';
import { httpStatusOf } from './status.ts';

/** Answers input that is not HTTP, or arrives too slowly: it never reaches the routes. */
export function answerBrokenRequest(error: NodeJS.ErrnoException, socket: Socket): void {
  if (!socket.writable || error.code === 'ECONNRESET') {
    socket.destroy();
    return;
  }
  const { status, body } = answerTo(error.code);
  const text = JSON.stringify(body);
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\ncontent-type: application/json\r\n` +
      `content-length: ${Buffer.byteLength(text)}\r\nconnection: close\r\n\r\n${text}`,
  );
}

/** Answers an `Expect` header of another kind than 100-continue, which Node refuses without a body. */
export function answerExpectation(_: IncomingMessage, response: ServerResponse): void {
  const message = 'the request expects what this server does not know: 100-continue, or nothing';
  const { status, body } = errorAnswer(417, message, { code: 'unknown_expectation' });
  response.writeHead(status, { 'content-type': 'application/json', connection: 'close' });
  response.end(JSON.stringify(body));
}

function answerTo(code: string | undefined): ErrorAnswer {
  switch (code) {
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return errorAnswer(httpStatusOf('slow_client'), 'the request came too slowly', {
        code: 'request_timeout',
      });
    case 'HPE_HEADER_OVERFLOW':
      return errorAnswer(431, 'the headers are too large', { code: 'headers_too_large' });
    default:
      return errorAnswer(400, 'this is not an HTTP request', { code: 'invalid_http' });
  }
}
