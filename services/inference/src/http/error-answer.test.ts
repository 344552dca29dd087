import { EsparseError, RequestError } from '@esparse/errors';
import type { FastifyBaseLogger } from 'fastify';
import { errorAnswerOf } from './error-answer.ts';

const logged: unknown[] = [];
const log = { error: ({ err }: { err: unknown }) => logged.push(err) } as unknown as FastifyBaseLogger;
const answerTo = (thrown: unknown) => errorAnswerOf(thrown, log, 100);

beforeEach(() => logged.splice(0));

test('an error of a request is answered in the form of OpenAI, with when to try again', () => {
  const error = new RequestError('busy', 'full', { code: 'queue_full', param: 'n', retryAfter: 7 });
  expect(answerTo(error)).toEqual({
    status: 429,
    headers: { 'retry-after': '7' },
    body: { error: { message: 'full', type: 'rate_limit_error', param: 'n', code: 'queue_full' } },
  });
  expect(logged).toEqual([]);
});

test('a request without a valid key is told how to give one', () => {
  expect(answerTo(new RequestError('unauthenticated', 'give a key'))).toMatchObject({
    status: 401,
    headers: { 'www-authenticate': 'Bearer' },
    body: { error: { type: 'invalid_request_error', param: null, code: null } },
  });
});

test('a failure of the engine is answered as a fault of the server, and logged', () => {
  const error = new RequestError('internal', 'the engine failed: NaN', { code: 'engine_error' });
  expect(answerTo(error)).toMatchObject({
    status: 500,
    body: { error: { message: 'the engine failed: NaN', type: 'server_error', code: 'engine_error' } },
  });
  expect(logged).toEqual([error]);
});

test('any other error is logged, and its message is kept from the client', () => {
  const errors = [new EsparseError('not_found', '/etc/secret is missing'), new Error('bug'), 'odd'];
  for (const error of errors) {
    const { status, body } = answerTo(error);
    expect(status).toBe(500);
    expect(body.error).toEqual({
      message: 'the server failed: its log says how',
      type: 'server_error',
      param: null,
      code: 'internal_error',
    });
  }
  expect(logged).toEqual(errors);
});

test('a refusal of the framework keeps its status, a fault of it is ours', () => {
  const fastifyError = (code: string, statusCode?: number) =>
    Object.assign(new Error('why'), { code, statusCode });
  expect(answerTo(fastifyError('FST_ERR_CTP_BODY_TOO_LARGE', 413))).toMatchObject({
    status: 413,
    body: { error: { message: 'the body has more than 100 bytes', code: 'body_too_large' } },
  });
  expect(answerTo(fastifyError('FST_ERR_OTHER', 414))).toMatchObject({
    status: 414,
    body: { error: { message: 'why', code: 'invalid_request' } },
  });
  expect(answerTo(fastifyError('FST_ERR_OTHER', 500)).status).toBe(500);
  expect(answerTo(fastifyError('FST_ERR_OTHER')).body.error.code).toBe('internal_error');
});
