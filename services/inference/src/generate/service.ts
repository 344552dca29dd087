import { setTimeout } from 'node:timers/promises';
import { invalidField, RequestError } from '@esparse/errors';
import type { EngineThread } from '../engine/start-engine.ts';
import { MAX_REPORTED_LOGPROBS, REFUSAL_DELAY_MS } from '../limits.ts';
import type { ChatMessage, ChatRenderer } from '../model/chat-renderer.ts';
import type { Lease, ServedModel, ServedModels } from '../model/served-model.ts';
import type { Admission, SamplingParams, Slot } from '@esparse/engine';
import { startGeneration, type Generation } from './generation.ts';
import { tokenizePrompts, tokensToGenerate } from './prompt-tokens.ts';
import type { GenerationObserver } from './token-times.ts';

/** A prompt as a client gives it: text, or token ids. */
export type Prompt = string | readonly number[];

/** A request for texts, from whatever protocol it came; its numbers are in their ranges already. */
export interface TextRequest {
  /** What the client calls the model. */
  readonly model: string;
  /** Prompts to go on with, or a chat to answer. */
  readonly prompts: readonly Prompt[] | { readonly messages: readonly ChatMessage[] };
  readonly n: number;
  /** Whether each text begins with its prompt, which has log-probabilities, too, where `sampling` asks for them. */
  readonly echo: boolean;
  /** 0 only with `echo`. */
  readonly maxTokens: number | undefined;
  /** Used where `maxTokens` is absent, less where less fits. */
  readonly defaultTokens: number;
  /** Of the first text of each prompt; the j-th further one has seed + j. */
  readonly sampling: SamplingParams;
  readonly stops: readonly string[];
}

/** A generation and the model that it runs on. */
export interface BegunGeneration {
  readonly generation: Generation;
  readonly model: ServedModel;
}

/** Texts for clients of any protocol: everything between a parsed request and its tokens. */
export interface TextService {
  /**
   * Begins a generation: acquires slots, tokenizes, checks, submits.
   *
   * @param signal the client has gone, or the time is up: its reason is what the reader gets
   * @throws RequestError
   */
  begin(request: TextRequest, signal: AbortSignal): Promise<BegunGeneration>;
  /** The model of that name, or whichever is served where none is given. @throws RequestError `not_found`, `unavailable` */
  model(name: string | undefined): ServedModel;
  /** Why requests are not served now, else undefined. */
  unready(): string | undefined;
  /** No more requests from now on. */
  drain(): void;
  /** Ends every generation that runs. */
  abort(error: RequestError): void;
}

export interface TextServiceDependencies {
  readonly engine: EngineThread;
  readonly models: ServedModels;
  readonly admission: Admission;
  readonly renderer: ChatRenderer;
  readonly observer: GenerationObserver;
}

/** Seconds after which a client may try a server that is starting or stopping. */
const UNREADY_RETRY_SECONDS = 5;

export function createTextService(dependencies: TextServiceDependencies): TextService {
  const { engine, models, admission, renderer, observer } = dependencies;
  let draining = false;
  /** What ends each generation that runs. */
  const running = new Set<(error: Error) => void>();

  const unready = () => {
    if (draining) return 'the server is stopping';
    return models.current === undefined ? 'the model is not loaded yet' : undefined;
  };

  const requireReady = () => {
    const why = unready();
    if (why === undefined) return;
    const code = draining ? 'draining' : 'not_ready';
    throw new RequestError('unavailable', why, { code, retryAfter: UNREADY_RETRY_SECONDS });
  };

  const modelNamed = (name: string | undefined): ServedModel => {
    requireReady();
    const model = models.current!;
    if (name === undefined || name === model.name) return model;
    throw new RequestError(
      'not_found',
      `the model ${JSON.stringify(name.slice(0, 200))} is not served here`,
      {
        param: 'model',
        code: 'model_not_found',
      },
    );
  };

  const acquire = async (texts: number): Promise<Slot[]> => {
    if (texts > admission.slots) {
      throw invalidField(
        'n',
        `${texts} texts in one request are more than the ${admission.slots} that fit here`,
      );
    }
    const slots = admission.acquire(texts);
    if (slots !== undefined) return slots;
    await setTimeout(REFUSAL_DELAY_MS);
    throw new RequestError('busy', 'the server has as many requests as it can hold: try again later', {
      code: 'queue_full',
      retryAfter: admission.retryAfter(),
    });
  };

  return {
    model: modelNamed,
    unready,
    drain() {
      draining = true;
    },
    abort(error) {
      for (const cancel of [...running]) cancel(error);
    },
    async begin(request, signal) {
      const received = performance.now();
      modelNamed(request.model);
      const count = 'messages' in request.prompts ? 1 : request.prompts.length;
      const slots = await acquire(count * request.n);
      let lease: Lease | undefined;
      try {
        lease = models.lease()!;
        const prompts = await tokenizePrompts(request.prompts, lease.model, { renderer, signal });
        signal.throwIfAborted();
        const maxTokens = tokensToGenerate(request, prompts, lease.model);
        const { logprobs } = request.sampling;
        if (logprobs !== undefined) {
          const echoed = request.echo ? prompts.reduce((sum, { length }) => sum + length, 0) : 0;
          requireFewLogprobs((slots.length * maxTokens + request.n * echoed) * (1 + logprobs));
        }
        const generation = startGeneration(
          { ...request, prompts, maxTokens, echoed: echoedOf(request) },
          {
            engine,
            lease,
            slots,
            observer,
            received,
            onEnd: () => {
              running.delete(generation.cancel);
            },
          },
        );
        running.add(generation.cancel);
        signal.addEventListener(
          'abort',
          () => {
            generation.cancel(signal.reason as Error);
          },
          { once: true },
        );
        return { generation, model: lease.model };
      } catch (error) {
        for (const slot of slots) slot.release();
        lease?.release();
        throw error;
      }
    },
  };
}

/** The prompts as they were written, where each text begins with its own. */
function echoedOf({ echo, prompts }: TextRequest): (string | undefined)[] | undefined {
  if (!echo || 'messages' in prompts) return undefined;
  return prompts.map((prompt) => (typeof prompt === 'string' ? prompt : undefined));
}

function requireFewLogprobs(reported: number): void {
  if (reported <= MAX_REPORTED_LOGPROBS) return;
  const message = `texts x tokens of each (an echoed prompt's, too) x (1 + most likely tokens) may be ${reported} log-probabilities, and at most ${MAX_REPORTED_LOGPROBS} are reported: send fewer prompts at once`;
  throw invalidField('logprobs', message);
}
