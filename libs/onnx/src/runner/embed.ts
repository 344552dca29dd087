import type { WeightSource } from '@esparse/checkpoint';
import { EsparseError } from '@esparse/errors';
import type { ModelDescription } from '@esparse/model';
import { requireSize } from './block-parameters.ts';

/**
 * The hidden states that enter block 0, (tokens x hidden): reads only the rows of the embeddings that are needed.
 * @param tokens whole sequences of `seqlen` tokens, one after another
 * @throws EsparseError 'checkpoint' where a token lies outside the vocabulary
 */
export async function embedTokens(
  description: ModelDescription,
  weights: WeightSource,
  tokens: Uint32Array,
  seqlen: number,
  signal?: AbortSignal,
): Promise<Float32Array> {
  requireTokens(description, tokens);
  const { embedding, positionEmbedding, hidden: width } = description;
  const shape = [tokens.length, width];
  const hidden = requireSize(embedding, shape, await weights.readRows(embedding, tokens, signal));
  if (positionEmbedding === undefined) return hidden;
  const { table, offset } = positionEmbedding;
  const rows = Uint32Array.from({ length: Math.min(seqlen, tokens.length) }, (_, i) => i + offset);
  const positions = requireSize(table, [rows.length, width], await weights.readRows(table, rows, signal));
  for (let i = 0; i < hidden.length; i++) hidden[i] = hidden[i]! + positions[i % positions.length]!;
  return hidden;
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
