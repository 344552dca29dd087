import type { WeightSource } from '@esparse/checkpoint';
import { EsparseError } from '@esparse/errors';
import type { ModelDescription } from '../description.ts';
import { requireSize } from './block-parameters.ts';

/**
 * The hidden states that enter block 0, (tokens x hidden): reads only the rows of the embedding that are needed.
 * @throws EsparseError 'checkpoint' where a token lies outside the vocabulary
 */
export async function embedTokens(
  description: ModelDescription,
  weights: WeightSource,
  tokens: Uint32Array,
  signal?: AbortSignal,
): Promise<Float32Array> {
  requireTokens(description, tokens);
  const hidden = await weights.readRows(description.embedding, tokens, signal);
  return requireSize(description.embedding, [tokens.length, description.hidden], hidden);
}

/** @throws EsparseError 'checkpoint' where a token lies outside the vocabulary */
export function requireTokens({ vocab }: ModelDescription, tokens: Uint32Array): void {
  const position = tokens.findIndex((token) => token >= vocab);
  if (position === -1) return;
  throw new EsparseError(
    'checkpoint',
    `token ${tokens[position]!} at position ${position} lies outside the model's vocabulary of ${vocab}`,
    { hint: 'the tokenizer and the model must belong together' },
  );
}
