import { chunksOf } from './attention-chunks.ts';
import { layoutOf } from './attention-layout.ts';
import type { AttentionOp } from './attention.ts';
import type { EmitContext, Gradients } from './operation.ts';

/**
 * Of `O = P V` with `P = softmax(S)` and `S = scale · Q Kᵀ`, given the gradient G of O: that of V is `Pᵀ G`, that of S is
 * `P · (G Vᵀ - rows' sums of G · O)`, from which those of Q and K follow, and that of a sink with the share P is
 * `- Σ P (rows' sums of G · O)`. Chunk by chunk, as the forward pass.
 */
export function attentionGradient(op: AttentionOp, output: string, context: EmitContext): Gradients {
  const { heads, kvHeads, headDim } = op;
  const { graph, rows } = context;
  const layout = layoutOf(op, context);
  const { tokens, lanes, slice, transposed } = layout;
  const given = layout.queries(output);
  const keys = layout.keyRows(op.key);
  const values = layout.keyColumns(op.value);
  const ofQueries: string[] = [];
  let ofKeys: string | undefined;
  let ofValues: string | undefined;
  let ofSinks: string | undefined;
  for (const { begin, end, first, size, queries, shares, mixed } of chunksOf(op, context, layout)) {
    /** (lanes x headDim x keys of the chunk) widened to all keys, and added to those of the chunks before. */
    const added = (sum: string | undefined, part: string) => {
      const pads = graph.integers([0, 0, first, 0, 0, tokens - end]);
      const wide = end - first === tokens ? part : graph.node('Pad', [part, pads]);
      return sum === undefined ? wide : graph.node('Add', [sum, wide]);
    };
    const of = layout.rowsOf(given, begin, end);
    ofValues = added(ofValues, graph.node('MatMul', [transposed(of), shares]));
    const level = graph.node('ReduceSum', [graph.node('Mul', [of, mixed]), graph.integers([-1])], {
      keepdims: 1,
    });
    if (op.sinks !== undefined) {
      const taken = graph.node('ReduceSum', [shares, graph.integers([-1])], { keepdims: 1 });
      // The share of the sink is what the keys leave.
      const lost = graph.node('Mul', [graph.node('Sub', [taken, graph.constant(1)]), level]);
      const byHead = graph.reshape(lost, [lanes / kvHeads, heads, size]);
      const part = graph.node('ReduceSum', [byHead, graph.integers([0, 2])], { keepdims: 0 });
      ofSinks = ofSinks === undefined ? part : graph.node('Add', [ofSinks, part]);
    }
    const ofShares = graph.node('MatMul', [of, slice(values, 2, first, end)]);
    const ofScores = graph.node('Mul', [shares, graph.node('Sub', [ofShares, level])]);
    const ofQuery = graph.node('MatMul', [ofScores, slice(keys, 1, first, end)]);
    ofQueries.push(layout.byToken(ofQuery, size));
    ofKeys = added(ofKeys, graph.node('MatMul', [transposed(queries), ofScores]));
  }
  const ofScaled = graph.reshape(graph.node('Concat', ofQueries, { axis: 1 }), [rows, heads * headDim]);
  /** (lanes x headDim x tokens) as (rows x kvHeads * headDim). */
  const columnsByToken = (value: string) => {
    const byLane = graph.reshape(value, [lanes / kvHeads, kvHeads, headDim, tokens]);
    return graph.reshape(graph.node('Transpose', [byLane], { perm: [0, 3, 1, 2] }), [
      rows,
      kvHeads * headDim,
    ]);
  };
  return {
    inputs: [
      graph.node('Mul', [ofScaled, graph.constant(op.scale)]),
      columnsByToken(ofKeys!),
      columnsByToken(ofValues!),
    ],
    ...(ofSinks !== undefined && { parameters: [ofSinks] }),
  };
}
