import { add, gatherRows } from '@esparse/kernels';
import type { ModelDescription } from '@esparse/model';
import type { ModelWeights } from './model-weights.ts';

/** Writes what goes into block 0, (count x hidden), for the first `count` tokens and the positions where they stand. */
export type Embedding = (
  tokens: Uint32Array,
  count: number,
  positions: Int32Array,
  hidden: Float32Array,
) => void;

/** The tokens' vectors, and where the family learns them the positions' added. */
export function createEmbedding(
  { hidden: width }: ModelDescription,
  { embedding, positions: learned }: ModelWeights,
  maxTokens: number,
): Embedding {
  if (learned === undefined) {
    return (tokens, count, _, hidden) => {
      gatherRows(embedding, tokens, count, hidden);
    };
  }
  const { table, offset } = learned;
  const rows = new Uint32Array(maxTokens);
  const vectors = new Float32Array(maxTokens * width);
  return (tokens, count, positions, hidden) => {
    gatherRows(embedding, tokens, count, hidden);
    for (let i = 0; i < count; i++) rows[i] = positions[i]! + offset;
    gatherRows(table, rows, count, vectors);
    add(hidden, vectors, count * width, hidden);
  };
}
