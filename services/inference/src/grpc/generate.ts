import { once } from 'node:events';
import { Metadata, status, type ServerWritableStream } from '@grpc/grpc-js';
import { toEsparseError } from '@esparse/errors';
import type { GenerateReply, GenerateRequest__Output, InferenceHandlers } from '@esparse/protocol';
import type { Logger } from 'pino';
import { ApiError, isApiError } from '../api/api-error.ts';
import type { BegunGeneration } from '../generate/service.ts';
import type { HttpContext } from '../http/context.ts';
import { UNREAD_TIMEOUT_MS } from '../limits.ts';
import type { ServedModel } from '../model/served-model.ts';
import type { TextToken } from '../text/choice-text.ts';
import { readGenerateRequest } from './read-request.ts';

type Call = ServerWritableStream<GenerateRequest__Output, GenerateReply>;

/** `esparse.v1.Inference`: the same service as the HTTP routes, with the same limits. */
export function inferenceHandlers(
  { service, keys, limits, metrics }: HttpContext,
  log: Logger,
): InferenceHandlers {
  const generate = async (call: Call, signal: AbortSignal) => {
    if (keys?.accepts(call.metadata.get('authorization')[0]?.toString()) === false) {
      throw new ApiError(401, 'give a valid API key in the metadata authorization: Bearer KEY');
    }
    const { name } = service.model(undefined);
    const begun = await service.begin(readGenerateRequest(call.request, name), signal);
    let first = true;
    for await (const [delta] of begun.generation) {
      if (delta === undefined) continue;
      const head = first ? { model: begun.model.name, run: begun.model.run } : {};
      first = false;
      if (!call.write({ ...head, ...replyOf(delta, begun) })) await drained(call, signal);
    }
  };

  return {
    Generate(call) {
      const received = performance.now();
      const controller = new AbortController();
      call.once('cancelled', () => {
        controller.abort(new ApiError(499, 'the client has gone'));
      });
      const timer = setTimeout(() => {
        controller.abort(
          new ApiError(408, `the call took longer than ${limits.requestSeconds} s`, {
            code: 'request_timeout',
          }),
        );
      }, limits.requestSeconds * 1000);
      let code: status = status.OK;
      generate(call, controller.signal)
        .then(
          () => call.end(),
          (thrown: unknown) => {
            const failed = toStatus(thrown, log);
            ({ code } = failed);
            call.emit('error', failed);
          },
        )
        .finally(() => {
          clearTimeout(timer);
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
      ...probability(token, logprob.logprob, model),
      top: logprob.ids.map((id, i) => probability(id, logprob.logprobs[i]!, model)),
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

/** Waits until the client has read what its stream holds, or is gone; one that reads nothing for long is cut off. */
async function drained(call: Call, signal: AbortSignal): Promise<void> {
  const controller = new AbortController();
  const gone = () => {
    controller.abort(signal.reason);
  };
  const timer = setTimeout(() => {
    controller.abort(new ApiError(408, 'the client reads too slowly', { code: 'slow_client' }));
  }, UNREAD_TIMEOUT_MS);
  signal.addEventListener('abort', gone);
  try {
    await once(call, 'drain', { signal: controller.signal });
  } catch {
    throw controller.signal.reason as Error;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', gone);
  }
}

const STATUS: Readonly<Record<number, status>> = {
  400: status.INVALID_ARGUMENT,
  401: status.UNAUTHENTICATED,
  404: status.NOT_FOUND,
  408: status.DEADLINE_EXCEEDED,
  429: status.RESOURCE_EXHAUSTED,
  499: status.CANCELLED,
  503: status.UNAVAILABLE,
};

/** An error as grpc-js sends it; where to try again is in the metadata `retry-after`. */
function toStatus(thrown: unknown, log: Logger): { code: status; details: string; metadata: Metadata } {
  const metadata = new Metadata();
  if (!isApiError(thrown)) {
    const error = toEsparseError(thrown);
    log.error({ err: error }, 'a call failed');
    return { code: status.INTERNAL, details: 'the server failed: its log says how', metadata };
  }
  const { param, retryAfter } = thrown.details;
  if (retryAfter !== undefined) metadata.set('retry-after', String(retryAfter));
  if (param !== undefined) metadata.set('param', param.replaceAll(/[^\x20-\x7e]/g, '?'));
  return { code: STATUS[thrown.status] ?? status.INTERNAL, details: thrown.message, metadata };
}
