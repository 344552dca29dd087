import { chunksOf } from './attention-chunks.ts';
import { attentionGradient } from './attention-gradient.ts';
import { layoutOf } from './attention-layout.ts';
import { attentionSoftmax } from './attention-softmax.ts';
import type { EmitContext, ModelContext, Operation } from './operation.ts';

/**
 * Causal attention: `softmax(scale · Q Kᵀ) V`, a row seeing itself and the rows before it. Grouped-query: head h
 * of the `heads` query heads reads key and value head `floor(h / (heads / kvHeads))` (arXiv 2305.13245).
 */
export interface AttentionOp {
  readonly op: 'attention';
  /** (rows x heads * headDim) */
  readonly query: string;
  /** (rows x kvHeads * headDim) */
  readonly key: string;
  /** (rows x kvHeads * headDim) */
  readonly value: string;
  /** (rows x heads * headDim) */
  readonly output: string;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly scale: number;
  /** A row sees so many rows, its own the last (arXiv 2310.06825). @default all before it */
  readonly window?: number;
  /**
   * Slot of a number for each query head, (heads), that takes part in its softmax beside the scores, and has no value: a row
   * may attend to nothing (arXiv 2309.17453, learned in gpt-oss). @default none
   */
  readonly sinks?: string;
}

export const attention = {
  part: 'block',
  inputs: ({ query, key, value }) => [query, key, value],
  parameters: ({ sinks }) => (sinks === undefined ? [] : [sinks]),
  width: ({ heads, headDim }) => heads * headDim,
  emit: emitAttention,
  emitInModel,
  gradient: attentionGradient,
} satisfies Operation<AttentionOp>;

/**
 * Causal attention, unrolled over chunks of query rows. A chunk that ends at row e meets only the keys 0 .. e - 1, or those
 * of them in its rows' windows: nearly half of the products are never made, and the scores of the whole sequence never
 * exist at once. Query heads that share a key head lie below one another in one matrix, so keys and values are never
 * repeated.
 */
function emitAttention(op: AttentionOp, context: EmitContext): void {
  const { graph, rows } = context;
  const layout = layoutOf(op, context);
  const parts = chunksOf(op, context, layout).map(({ size, mixed }) => layout.byToken(mixed, size));
  graph.reshape(graph.node('Concat', parts, { axis: 1 }), [rows, op.heads * op.headDim], op.output);
}

/** Causal attention over a cache. Query heads that share a key head are a dimension of their own, which keys do not have. */
function emitInModel(op: AttentionOp, { graph, batch, mask, cached, parameter }: ModelContext): void {
  const { heads, kvHeads, headDim, window } = op;
  const parted = (value: string, ...sizes: number[]) =>
    graph.node('Reshape', [value, graph.node('Concat', [batch, graph.integers(sizes)], { axis: 0 })]);
  const fresh = (part: 'key' | 'value') => {
    const byHead = graph.node('Transpose', [parted(op[part], kvHeads, headDim)], { perm: [0, 2, 1, 3] });
    const all = cached(part, byHead, { heads: kvHeads, channels: headDim });
    return graph.node('Unsqueeze', [all, graph.integers([2])]);
  };
  const scaled = graph.node('Mul', [op.query, graph.constant(op.scale)]);
  // (sequences x kvHeads x group x new tokens x headDim)
  const query = graph.node('Transpose', [parted(scaled, kvHeads, heads / kvHeads, headDim)], {
    perm: [0, 2, 3, 1, 4],
  });
  const keys = graph.node('Transpose', [fresh('key')], { perm: [0, 1, 2, 4, 3] });
  const scores = graph.node('Add', [graph.node('MatMul', [query, keys]), mask(window)]);
  const sinks = op.sinks && graph.reshape(parameter(op.sinks), [kvHeads, heads / kvHeads, 1, 1]);
  const shares = attentionSoftmax(graph, scores, sinks);
  const mixed = graph.node('MatMul', [shares, fresh('value')]);
  const byToken = graph.node('Transpose', [mixed], { perm: [0, 3, 1, 2, 4] });
  graph.reshape(byToken, [-1, heads * headDim], op.output);
}
