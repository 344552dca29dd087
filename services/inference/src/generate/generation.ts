import { randomInt } from 'node:crypto';
import { RequestError } from '@esparse/errors';
import type { FinishReason, Job, JobEvent, Sampling, Slot } from '@esparse/engine';
import type { EngineThread } from '../engine/start-engine.ts';
import { MAX_UNREAD_BYTES } from '../limits.ts';
import type { Lease } from '../model/served-model.ts';
import { ChoiceText, type TextToken } from '../text/choice-text.ts';

/** Texts to generate: `n` for each prompt. */
export interface GenerationInput {
  readonly prompts: readonly Uint32Array[];
  readonly n: number;
  readonly maxTokens: number;
  readonly sampling: Omit<Sampling, 'seed'>;
  /** Of the first text of each prompt; the j-th further one has seed + j. @default drawn at random */
  readonly seed?: number | undefined;
  readonly stops: readonly string[];
  /** Likeliest tokens to tell beside each; undefined for no probabilities. */
  readonly logprobs?: number | undefined;
}

/** Some more of one text. Those of the same prompt follow each other: index = prompt * n + j. */
export interface ChoiceDelta {
  readonly index: number;
  readonly text: string;
  readonly tokens: readonly TextToken[];
  readonly finish?: FinishReason | undefined;
}

/** Texts on their way. Whoever began it must read it to its end, or cancel it. */
export interface Generation extends AsyncIterable<readonly ChoiceDelta[]> {
  readonly promptTokens: number;
  /** Tokens of the texts so far; a token that ends a text is no part of it. */
  readonly completionTokens: number;
  /** Ends it: its slots and its memory are free within one step. With an error, that is what its reader gets. */
  cancel(error?: Error): void;
}

/** What is measured of a text. */
export interface GenerationObserver {
  /** Seconds from the request to its first token. */
  firstToken(seconds: number): void;
  /** Mean seconds between two tokens of a text that had several. */
  perToken(seconds: number): void;
}

export interface GenerationDependencies {
  readonly engine: EngineThread;
  readonly lease: Lease;
  /** One for each text. */
  readonly slots: readonly Slot[];
  readonly observer: GenerationObserver;
  /** Called once, when the last of its texts has ended or it was cancelled. */
  ended(): void;
  /** When the request came, by `performance.now()`. */
  readonly received: number;
}

interface Choice {
  readonly index: number;
  readonly job: Job;
  readonly slot: Slot;
  readonly text: ChoiceText;
  firstAt: number;
  tokens: number;
}

let nextJob = 0;

/** Estimated bytes of a told token, and of each of the likeliest beside it, as JSON. */
const TOKEN_BYTES = 96;

/** Submits the jobs of a request and gathers their texts until they are read. */
export function startGeneration(input: GenerationInput, dependencies: GenerationDependencies): Generation {
  const { engine, lease, observer, received } = dependencies;
  const choices = new Map<number, Choice>();
  const unread = new Map<number, ChoiceDelta>();
  let unreadBytes = 0;
  let completionTokens = 0;
  let failure: Error | undefined;
  let wake: (() => void) | undefined;

  const release = (choice: Choice) => {
    choices.delete(choice.job.id);
    choice.slot.release();
    if (choices.size > 0) return;
    lease.release();
    dependencies.ended();
  };

  const cancel = (error?: Error) => {
    failure ??= error;
    engine.cancel([...choices.keys()]);
    for (const choice of [...choices.values()]) release(choice);
    wake?.();
  };

  /** Adds to what the reader has not taken yet; a slow reader gets more at a time. */
  const add = (delta: ChoiceDelta) => {
    const before = unread.get(delta.index);
    unread.set(
      delta.index,
      before === undefined
        ? delta
        : {
            ...delta,
            text: before.text + delta.text,
            tokens: delta.tokens.length === 0 ? before.tokens : [...before.tokens, ...delta.tokens],
          },
    );
    unreadBytes += delta.text.length + delta.tokens.length * TOKEN_BYTES * (1 + (input.logprobs ?? 0));
    if (unreadBytes > MAX_UNREAD_BYTES) {
      unread.clear();
      cancel(new RequestError('slow_client', 'the client reads too slowly', { code: 'slow_client' }));
    } else wake?.();
  };

  const end = (choice: Choice, text: string, tokens: readonly TextToken[], finish: FinishReason) => {
    release(choice);
    if (choice.tokens > 1)
      observer.perToken((performance.now() - choice.firstAt) / 1000 / (choice.tokens - 1));
    add({ index: choice.index, text, tokens, finish });
  };

  const hear = (choice: Choice, event: JobEvent) => {
    if ('error' in event) {
      release(choice);
      cancel(new RequestError('internal', `the engine failed: ${event.error}`, { code: 'engine_error' }));
      return;
    }
    let text = '';
    let tokens: readonly TextToken[] = [];
    if (event.token !== undefined) {
      completionTokens++;
      if (choice.tokens++ === 0) {
        choice.firstAt = performance.now();
        observer.firstToken((choice.firstAt - received) / 1000);
      }
      const piece = choice.text.push(event.token, event.logprob);
      ({ text, tokens } = piece);
      if (piece.stopped) {
        if (event.finish === undefined) engine.cancel([choice.job.id]);
        end(choice, text, tokens, 'stop');
        return;
      }
    }
    if (event.finish !== undefined) {
      const rest = choice.text.end();
      end(choice, text + rest.text, [...tokens, ...rest.tokens], event.finish);
    } else if (text !== '' || tokens.length > 0) add({ index: choice.index, text, tokens });
  };

  for (const choice of choicesOf(input, dependencies)) choices.set(choice.job.id, choice);
  engine.submit(
    [...choices.values()].map(({ job }) => job),
    (job) => {
      const choice = choices.get(job.id)!;
      return {
        event: (event) => {
          hear(choice, event);
        },
      };
    },
  );

  return {
    promptTokens: input.prompts.reduce((sum, { length }) => sum + length, 0),
    get completionTokens() {
      return completionTokens;
    },
    cancel,
    async *[Symbol.asyncIterator]() {
      try {
        for (;;) {
          if (unread.size > 0) {
            const deltas = [...unread.values()];
            unread.clear();
            unreadBytes = 0;
            yield deltas;
          } else if (failure !== undefined) throw failure;
          else if (choices.size === 0) return;
          else await new Promise<void>((resolve) => (wake = resolve));
        }
      } finally {
        cancel();
      }
    },
  };
}

function choicesOf(input: GenerationInput, { lease, slots }: GenerationDependencies): Choice[] {
  const { model } = lease;
  return input.prompts.flatMap((prompt, p) =>
    Array.from({ length: input.n }, (_, j): Choice => {
      const index = p * input.n + j;
      const seed = input.seed === undefined ? randomInt(2 ** 32) : modulo(input.seed + j);
      return {
        index,
        job: {
          id: nextJob++,
          model: model.id,
          prompt,
          maxTokens: input.maxTokens,
          endTokens: model.text.endTokens,
          sampling: { ...input.sampling, seed },
          logprobs: input.logprobs,
        },
        slot: slots[index]!,
        text: new ChoiceText(model.text.tokenText, input.stops),
        firstAt: 0,
        tokens: 0,
      };
    }),
  );
}

/** Seeds are 32 bits wide. */
function modulo(seed: number): number {
  return ((seed % 2 ** 32) + 2 ** 32) % 2 ** 32;
}
