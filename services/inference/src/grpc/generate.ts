import { once } from 'node:events';
import { Metadata, status, type ServerWritableStream } from '@grpc/grpc-js';
import { isRequestError, RequestError } from '@esparse/errors';
import {
  grpcStatusOf,
  type GenerateReply,
  type GenerateRequest__Output,
  type InferenceHandlers,
} from '@esparse/protocol';
import type { Logger } from 'pino';
import type { BegunGeneration } from '../generate/service.ts';
import type { ServerContext } from '../server-context.ts';
import { UNREAD_TIMEOUT_MS } from '../limits.ts';
import type { ServedModel } from '../model/served-model.ts';
import type { TextToken } from '../text/choice-text.ts';
import { requestSignal } from '../request-signal.ts';
import { readGenerateRequest } from './read-request.ts';
import { slowClient } from '../generate/slow-client.ts';

type Call = ServerWritableStream<GenerateRequest__Output, GenerateReply>;

/** `esparse.v1.Inference`: the same service as the HTTP routes, with the same limits. */
export function inferenceHandlers(
  { service, keys, limits, metrics, nextTurn }: ServerContext,
  log: Logger,
): InferenceHandlers {
  const generate = async (call: Call, signal: AbortSignal) => {
    if (keys?.accepts(call.metadata.get('authorization')[0]?.toString()) === false) {
      throw new RequestError(
        'unauthenticated',
        'give a valid API key in the metadata authorization: Bearer KEY',
      );
    }
    await nextTurn();
    const { name } = service.model(undefined);
    const begun = await service.begin(readGenerateRequest(call.request, name), signal);
    let first = true;
    for await (const [delta] of begun.generation) {
      if (delta === undefined) continue;
      const head = first ? { model: begun.model.name, run: begun.model.identity } : {};
      first = false;
      if (!call.write({ ...head, ...replyOf(delta, begun) })) await drained(call, signal);
    }
  };

  return {
    Generate(call) {
      const received = performance.now();
      const { signal, clientGone, done } = requestSignal(limits.requestSeconds);
      call.once('cancelled', clientGone);
      let code: status = status.OK;
      generate(call, signal)
        .then(
          () => call.end(),
          (thrown: unknown) => {
            const failed = toStatus(thrown, log);
            ({ code } = failed);
            call.emit('error', failed);
          },
        )
        .finally(() => {
          done();
          const seconds = (performance.now() - received) / 1000;
          metrics.request(
            { route: 'esparse.v1.Inference/Generate', method: 'gRPC', status: status[code] },
            seconds,
          );
        });
    },
  };
}

function replyOf(
  delta: { text: string; tokens: readonly TextToken[]; finish?: 'stop' | 'length' | undefined },
  { generation, model }: BegunGeneration,
): GenerateReply {
  const { text, tokens, finish } = delta;
  return {
    text,
    tokens: tokens.map(({ token, logprob }) => ({
      // Prompts are not echoed here: every token has one.
      ...probability(token, logprob!.logprob, model),
      top: logprob!.ids.map((id, i) => probability(id, logprob!.logprobs[i]!, model)),
    })),
    ...(finish !== undefined && {
      finishReason: finish === 'stop' ? 'FINISH_REASON_STOP' : 'FINISH_REASON_LENGTH',
      usage: { promptTokens: generation.promptTokens, completionTokens: generation.completionTokens },
    }),
  };
}

function probability(token: number, logprob: number, { text: { tokenText } }: ServedModel) {
  return { token, text: Buffer.from(tokenText.spelling(token)), logprob };
}

/** Waits until the client has read what its stream holds, or has disconnected; one that reads nothing for long is refused. */
async function drained(call: Call, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted(); // no event comes any more of a call that has gone
  const controller = new AbortController();
  const onAbort = () => {
    controller.abort(signal.reason);
  };
  const timer = setTimeout(() => {
    controller.abort(slowClient());
  }, UNREAD_TIMEOUT_MS);
  signal.addEventListener('abort', onAbort);
  try {
    await once(call, 'drain', { signal: controller.signal });
  } catch {
    throw controller.signal.reason as Error;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', onAbort);
  }
}

/** An error as grpc-js sends it; when to try again is in the metadata `retry-after`. */
function toStatus(thrown: unknown, log: Logger): { code: status; details: string; metadata: Metadata } {
  const metadata = new Metadata();
  if (!isRequestError(thrown)) {
    log.error({ err: thrown }, 'a call failed');
    return { code: status.INTERNAL, details: 'the server failed: its log says how', metadata };
  }
  const { kind, message, param, retryAfter } = thrown;
  if (kind === 'internal') log.error({ err: thrown }, 'a call failed');
  if (retryAfter !== undefined) metadata.set('retry-after', String(retryAfter));
  if (param !== undefined) metadata.set('param', param.replaceAll(/[^\x20-\x7e]/g, '?'));
  return { code: grpcStatusOf(kind), details: message, metadata };
}
