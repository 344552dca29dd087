import { setTimeout } from 'node:timers/promises';
import { invalidField, RequestError } from '@esparse/errors';
import type { EngineThread } from '../engine/start-engine.ts';
import {
  MAX_CHARACTERS_PER_TOKEN,
  MAX_PROMPT_CHARACTERS,
  MAX_TOLD_LOGPROBS,
  REFUSAL_DELAY_MS,
} from '../limits.ts';
import type { ChatMessage, ChatRenderer } from '../model/chat-renderer.ts';
import type { Lease, ServedModel, ServedModels } from '../model/served-model.ts';
import type { Admission, Sampling, Slot } from '@esparse/engine';
import type { EventLoopPacer } from './event-loop-pacer.ts';
import { startGeneration, type Generation, type GenerationObserver } from './generation.ts';

/** A prompt as a client gives it: text, or token ids. */
export type Prompt = string | readonly number[];

/** A request for texts, from whatever protocol it came; its numbers are in their ranges already. */
export interface TextRequest {
  /** What the client calls the model. */
  readonly model: string;
  /** Prompts to go on with, or a chat to answer. */
  readonly prompts: readonly Prompt[] | { readonly messages: readonly ChatMessage[] };
  readonly n: number;
  readonly maxTokens: number | undefined;
  /** Used where `maxTokens` is absent, less where less fits. */
  readonly defaultTokens: number;
  readonly sampling: Omit<Sampling, 'seed'>;
  readonly seed?: number | undefined;
  readonly stops: readonly string[];
  readonly logprobs?: number | undefined;
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
  /** Spreads the work of many requests that come at once over turns of the event loop. */
  readonly nextTurn: EventLoopPacer;
}

/** Seconds after which a client may try a server that is starting or stopping. */
const UNREADY_RETRY_SECONDS = 5;

export function createTextService(dependencies: TextServiceDependencies): TextService {
  const { engine, models, admission, observer, nextTurn } = dependencies;
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
        const prompts = await tokenize(request, lease.model, dependencies, signal);
        await nextTurn();
        signal.throwIfAborted();
        const maxTokens = tokensToGenerate(request, prompts, lease.model);
        if (request.logprobs !== undefined) {
          requireFewLogprobs(slots.length * maxTokens * (1 + request.logprobs));
        }
        const generation = startGeneration(
          { ...request, prompts, maxTokens },
          {
            engine,
            lease,
            slots,
            observer,
            received,
            ended: () => {
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

async function tokenize(
  { prompts }: TextRequest,
  model: ServedModel,
  { renderer, nextTurn }: TextServiceDependencies,
  signal: AbortSignal,
): Promise<Uint32Array[]> {
  const { tokenizer, chatTemplate } = model.text;
  if ('messages' in prompts) {
    if (chatTemplate === undefined) {
      throw new RequestError('invalid', `the model ${model.name} has no chat template: use /v1/completions`, {
        param: 'messages',
        code: 'no_chat_template',
      });
    }
    // A template writes the BOS token itself.
    const text = await renderer.render(chatTemplate, prompts.messages);
    requireLength(text, 'messages', model);
    return [requireTokens(await tokenizer.encode(text, { bos: false, signal }), 'messages')];
  }
  const tokens: Uint32Array[] = [];
  for (const prompt of prompts) {
    if (typeof prompt === 'string') {
      requireLength(prompt, 'prompt', model);
      await nextTurn();
      const encoded = await tokenizer.encode(prompt, { bos: tokenizer.addsBos, signal });
      // An empty prompt begins a text of the model's own.
      const begin = encoded.length === 0 && tokenizer.bosId !== undefined ? [tokenizer.bosId] : encoded;
      tokens.push(requireTokens(Uint32Array.from(begin), 'prompt'));
    } else tokens.push(tokensGiven(prompt, model.engine.vocab));
  }
  return tokens;
}

function requireFewLogprobs(told: number): void {
  if (told <= MAX_TOLD_LOGPROBS) return;
  const message = `texts x max_tokens x (1 + likeliest tokens) may be ${told} probabilities, and at most ${MAX_TOLD_LOGPROBS} are told`;
  throw invalidField('logprobs', message);
}

/** Too long to fit whatever its tokens are, or to be tokenized at no cost to others. */
function requireLength(text: string, param: string, { engine: { maxContext } }: ServedModel): void {
  const most = Math.min(MAX_PROMPT_CHARACTERS, maxContext * MAX_CHARACTERS_PER_TOKEN);
  if (text.length <= most) return;
  const message = `a prompt has at most ${most} characters here (context: ${maxContext} tokens), not ${text.length}`;
  throw invalidField(param, message, 'context_length_exceeded');
}

function tokensGiven(prompt: readonly number[], vocab: number): Uint32Array {
  const bad = prompt.find((id) => id >= vocab);
  if (bad !== undefined) throw invalidField('prompt', `${bad} is no token: the vocabulary has ${vocab}`);
  return requireTokens(Uint32Array.from(prompt), 'prompt');
}

function requireTokens(tokens: Uint32Array, param: string): Uint32Array {
  if (tokens.length > 0) return tokens;
  throw invalidField(param, 'a prompt has at least one token, and this model has no BOS token to begin with');
}

/** As many tokens as asked for, checked against the context and the memory; by default as many as fit. */
function tokensToGenerate(
  { maxTokens, defaultTokens, prompts: given }: TextRequest,
  prompts: readonly Uint32Array[],
  { engine: { maxContext, pages, pageTokens } }: ServedModel,
): number {
  const longest = Math.max(...prompts.map(({ length }) => length));
  const context = Math.min(maxContext, pages * pageTokens);
  const left = context - longest;
  const wanted = maxTokens ?? Math.max(1, Math.min(defaultTokens, left));
  if (wanted <= left) return wanted;
  throw invalidField(
    'messages' in given ? 'messages' : 'prompt',
    `this model's context is ${context} tokens; ${longest} in the prompt and ${wanted} to generate are ${longest + wanted}`,
    'context_length_exceeded',
  );
}
