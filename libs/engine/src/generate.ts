import { setImmediate } from 'node:timers/promises';
import { EsparseError } from '@esparse/errors';
import type { Engine } from './engine.ts';
import type { Sampler } from './sampling/sampler.ts';
import type { Sequence } from './paging/sequence.ts';

/** What one sequence is to become. */
export interface GenerateOptions {
  /** At least one token, fewer than the engine's context. */
  readonly prompt: Uint32Array;
  /** The most tokens to generate. The engine's context bounds them too. */
  readonly maxTokens: number;
  readonly sampler: Sampler;
  /** Tokens that end the text; they are not given out. @default none */
  readonly endTokens?: ReadonlySet<number>;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Generates the tokens after a prompt, one at a time, as they are asked for. Between two tokens other work of the thread
 * goes on. What is asked for after the last token tells why there are no more.
 *
 * @throws EsparseError 'usage' where the prompt is empty or does not fit, 'unavailable' where the cache has no room
 * @example
 * for await (const token of generate(engine, { prompt, maxTokens: 40, sampler: createSampler() })) …
 */
export async function* generate(
  engine: Engine,
  { prompt, maxTokens, sampler, endTokens, signal }: GenerateOptions,
): AsyncGenerator<number, 'end' | 'length'> {
  requireFitting(prompt.length, engine.maxContext);
  const most = Math.min(prompt.length + maxTokens, engine.maxContext);
  const sequence = engine.reserve(most);
  if (sequence === undefined) {
    throw new EsparseError('unavailable', `the key-value cache has no room for ${most} tokens`, {
      hint: 'give it more memory, or ask for fewer tokens',
    });
  }
  try {
    let logits = await read(engine, sequence, prompt, signal);
    for (let left = most - prompt.length; left > 0; left--) {
      const token = sampler.sample(logits);
      if (endTokens?.has(token) === true) return 'end';
      yield token;
      if (left > 1) logits = await read(engine, sequence, Uint32Array.of(token), signal);
    }
    return 'length';
  } finally {
    sequence.release();
  }
}

/** Appends tokens to a sequence, and gives the logits after the last one. */
async function read(
  engine: Engine,
  sequence: Sequence,
  tokens: Uint32Array,
  signal: AbortSignal | undefined,
): Promise<Float32Array> {
  for (let at = 0; ; at += engine.maxStepTokens) {
    await setImmediate();
    signal?.throwIfAborted();
    const some = tokens.subarray(at, at + engine.maxStepTokens);
    const isLast = at + some.length === tokens.length;
    const [logits] = engine.step([{ sequence, tokens: some, logits: isLast ? 'last' : 'none' }]);
    if (isLast) return logits!;
  }
}

function requireFitting(prompt: number, context: number): void {
  if (prompt === 0) throw new EsparseError('usage', 'the prompt is empty: there is nothing to go on from');
  if (prompt < context) return;
  throw new EsparseError(
    'usage',
    `the prompt has ${prompt} tokens: the context of ${context} leaves no room`,
    {
      hint: 'shorten the prompt, or use a longer context if the model has one',
    },
  );
}
