import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { AnswerFormat } from '../../api/answers.ts';
import { parseChat } from '../../api/chat-request.ts';
import { parseCompletion, type ParsedRequest } from '../../api/completion-request.ts';
import { chatFormat, completionFormat } from '../../api/formats.ts';
import { chunkedAnswer, wholeAnswer } from '../../api/write-answer.ts';
import { endsInError } from '../answer-status.ts';
import { errorAnswerOf } from '../error-answer.ts';
import { requestSignal } from '../../request-signal.ts';
import type { ServerContext } from '../../server-context.ts';
import { sendEvents } from '../sse.ts';

/** `POST /v1/completions` and `POST /v1/chat/completions` */
export function textRoutes(app: FastifyInstance, { service, limits, nextTurn }: ServerContext): void {
  // Bodies are read and parsed one a turn.
  const preParsing = () => nextTurn();
  app.post('/v1/completions', { preParsing }, async (request, reply) => {
    const { engine } = service.model(undefined);
    return await answer(request, reply, parseCompletion(request.body, engine.maxContext), completionFormat);
  });
  app.post('/v1/chat/completions', { preParsing }, async (request, reply) =>
    answer(request, reply, parseChat(request.body), chatFormat),
  );

  async function answer(
    request: FastifyRequest,
    reply: FastifyReply,
    parsed: ParsedRequest,
    format: AnswerFormat,
  ): Promise<unknown> {
    const { signal, clientGone, done } = requestSignal(limits.requestSeconds);
    const closed = () => {
      if (!reply.raw.writableFinished) clientGone();
    };
    reply.raw.once('close', closed);
    try {
      const begun = await service.begin(parsed.request, signal);
      const logprobs = parsed.request.sampling.logprobs !== undefined;
      if (!parsed.stream) return await wholeAnswer(begun, format, logprobs);
      const { prompts, n } = parsed.request;
      const choices = 'messages' in prompts ? n : n * prompts.length;
      reply.hijack();
      reply.raw.writeHead(200, {
        'content-type': 'text/event-stream; charset=utf-8',
        'cache-control': 'no-store',
        // Proxies that buffer answers must not buffer this one.
        'x-accel-buffering': 'no',
        'x-request-id': request.id,
      });
      reply.raw.flushHeaders();
      const { includeUsage } = parsed;
      await sendEvents(
        reply.raw,
        chunkedAnswer(begun, format, { logprobs, includeUsage, choices }),
        (thrown) => {
          const error = errorAnswerOf(thrown, request.log, limits.bodyBytes);
          endsInError(reply.raw, error.status);
          return error;
        },
      );
      return undefined; // the answer has been sent
    } finally {
      done();
      reply.raw.off('close', closed);
    }
  }
}
