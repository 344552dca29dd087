import { setImmediate } from 'node:timers/promises';
import { EsparseError } from '@esparse/errors';
import type { Engine } from './engine.ts';
import type { Sequence } from './paging/sequence.ts';
import type { SamplingParams } from './sampling/params.ts';

/** What one sequence is to become. */
export interface GenerateOptions {
  /** At least one token, fewer than the engine's context. */
  readonly prompt: Uint32Array;
  /** The most tokens to generate. The engine's context bounds them too. */
  readonly maxTokens: number;
  /** How each token is chosen. @default the most likely one */
  readonly sampling?: SamplingParams | undefined;
  /** Tokens that end the text; they are not given out. @default none */
  readonly endTokens?: ReadonlySet<number>;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Generates the tokens after a prompt, one at a time, as they are asked for. Between two tokens other work of the thread
 * goes on. Returns why there are no more.
 *
 * @throws EsparseError 'usage' where the prompt is empty or does not fit, or the sampling parameters are out of range;
 * 'unavailable' where the cache has no room; 'numeric' where no token can be chosen
 * @example
 * for await (const token of generate(engine, { prompt, maxTokens: 40, sampling: { temperature: 0.8 } })) …
 */
export async function* generate(
  engine: Engine,
  { prompt, maxTokens, sampling, endTokens, signal }: GenerateOptions,
): AsyncGenerator<number, 'end' | 'length'> {
  requireFitting(prompt.length, engine.maxContext);
  const most = Math.min(prompt.length + maxTokens, engine.maxContext);
  const sequence = engine.reserve(most, sampling);
  if (sequence === undefined) {
    throw new EsparseError('unavailable', `the key-value cache has no room for ${most} tokens`, {
      hint: 'give it more memory, or ask for fewer tokens',
    });
  }
  try {
    let input = prompt;
    for (let left = most - prompt.length; left > 0; left--) {
      const token = await nextToken(engine, sequence, input, signal);
      if (endTokens?.has(token) === true) return 'end';
      yield token;
      input = Uint32Array.of(token);
    }
    return 'length';
  } finally {
    sequence.release();
  }
}

/** Appends tokens to a sequence, in as many steps as it takes, and gives the one that follows. */
async function nextToken(
  engine: Engine,
  sequence: Sequence,
  tokens: Uint32Array,
  signal: AbortSignal | undefined,
): Promise<number> {
  for (let at = 0; ; at += engine.maxStepTokens) {
    await setImmediate();
    signal?.throwIfAborted();
    const some = tokens.subarray(at, at + engine.maxStepTokens);
    const isLast = at + some.length === tokens.length;
    const want = isLast ? 'token' : 'nothing';
    const [sampled] = await engine.step([{ sequence, tokens: some, want }], signal);
    if (sampled === undefined) continue;
    if ('error' in sampled) throw sampled.error;
    return sampled.token;
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
