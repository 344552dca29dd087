import type { JobEvent, Slot } from '@esparse/engine';
import { RequestError } from '@esparse/errors';
import type { EngineThread } from '../engine/start-engine.ts';
import { MAX_UNREAD_BYTES } from '../limits.ts';
import type { Lease } from '../model/served-model.ts';
import { choicesOf, type Choice, type ChoiceDelta, type GenerationInput } from './choice.ts';
import { TokenTimes, type GenerationObserver } from './token-times.ts';
import { UnreadDeltas } from './unread-deltas.ts';
import { slowClient } from './slow-client.ts';

/** Texts on their way. The caller reads it to its end, or cancels it. */
export interface Generation extends AsyncIterable<readonly ChoiceDelta[]> {
  readonly promptTokens: number;
  /** Tokens of the texts so far; a token that ends a text is no part of it. */
  readonly completionTokens: number;
  /** Ends it: its slots and its memory are free within one step. With an error, that is what its reader gets. */
  cancel(error?: Error): void;
}

export interface GenerationDependencies {
  readonly engine: Pick<EngineThread, 'submit' | 'cancel'>;
  readonly lease: Lease;
  /** One for each text. */
  readonly slots: readonly Slot[];
  readonly observer: GenerationObserver;
  /** Called once, when the last of its texts has ended or it was cancelled. */
  onEnd(): void;
  /** When the request came, by `performance.now()`. */
  readonly received: number;
}

/** A text that has not ended, and what is held and measured for it. */
interface RunningChoice {
  readonly choice: Choice;
  readonly slot: Slot;
  readonly times: TokenTimes;
}

/** Submits the jobs of a request and gathers their texts until they are read. */
export function startGeneration(input: GenerationInput, dependencies: GenerationDependencies): Generation {
  const { engine, lease, slots, observer, received } = dependencies;
  const running = new Map<number, RunningChoice>();
  const choices = choicesOf(input, lease.model);
  const unread = new UnreadDeltas({
    // Prompts that are echoed come at once, and their client has sent as much.
    maxBytes: choices.reduce((sum, choice) => sum + choice.echoedCharacters, MAX_UNREAD_BYTES),
    alternatives: input.sampling.logprobs ?? 0,
  });
  let completionTokens = 0;

  const release = ({ choice, slot }: RunningChoice) => {
    running.delete(choice.job.id);
    slot.release();
    if (running.size > 0) return;
    lease.release();
    dependencies.onEnd();
  };

  const cancel = (error?: Error) => {
    engine.cancel([...running.keys()]);
    for (const one of [...running.values()]) release(one);
    unread.end(error);
  };

  const onEvent = (one: RunningChoice, event: JobEvent) => {
    if ('error' in event) {
      release(one);
      cancel(new RequestError('internal', `the engine failed: ${event.error}`, { code: 'engine_error' }));
      return;
    }
    if (event.token !== undefined) {
      completionTokens++;
      one.times.token();
    }
    const delta = one.choice.take(event);
    if (delta.finish !== undefined) {
      // A stop string ends a text that its job would go on with.
      if (event.finish === undefined) engine.cancel([event.job]);
      release(one);
      one.times.end();
    } else if (delta.text === '' && delta.tokens.length === 0) return;
    if (!unread.add(delta)) {
      cancel(slowClient());
    } else if (running.size === 0) unread.end();
  };

  for (const choice of choices) {
    const times = new TokenTimes(observer, received);
    running.set(choice.job.id, { choice, slot: slots[choice.index]!, times });
  }
  engine.submit(
    [...running.values()].map(({ choice }) => choice.job),
    ({ id }) => {
      const one = running.get(id)!;
      return (event) => {
        onEvent(one, event);
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
        yield* unread;
      } finally {
        cancel();
      }
    },
  };
}
