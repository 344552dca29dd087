import {
  MASKED,
  type EmitContext,
  type Gradients,
  type GraphWriter,
  type ModelContext,
  type Operation,
} from './operation.ts';

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

/** Rows of queries that meet the keys at once, at most: fewer rows skip more of the masked half. */
const MAX_CHUNK = 128;
/** The scores of one chunk, heads x chunk x keys in f32, stay under this: 64 MiB ... */
const MAX_SCORES_BYTES = 64 << 20;
/** ... unless that leaves fewer rows than these: the graph of the longest sequence has 2048 chunks, no more. */
const MIN_CHUNK = 16;

/**
 * Causal attention, unrolled over chunks of query rows. A chunk that ends at row e meets only the keys 0 .. e - 1, or
 * those of them in its rows' windows: nearly half of the products are never made, and the scores of the whole sequence never exist at once. Query heads
 * that share a key head lie below one another in one matrix, so keys and values are never repeated.
 */
function emitAttention(op: AttentionOp, context: EmitContext): void {
  const { graph, rows } = context;
  const layout = layoutOf(op, context);
  const parts = chunksOf(op, context, layout).map(({ size, mixed }) => layout.byToken(mixed, size));
  graph.reshape(graph.node('Concat', parts, { axis: 1 }), [rows, op.heads * op.headDim], op.output);
}

/**
 * Of `O = P V` with `P = softmax(S)` and `S = scale · Q Kᵀ`, given the gradient G of O: that of V is `Pᵀ G`, that of S is
 * `P · (G Vᵀ - rows' sums of G · O)`, from which those of Q and K follow, and that of a sink with the share P is
 * `- Σ P (rows' sums of G · O)`. Chunk by chunk, as the forward pass.
 */
function attentionGradient(op: AttentionOp, output: string, context: EmitContext): Gradients {
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

/**
 * How rows of tokens are laid out by heads. A lane is a key head of a sequence, and the query heads that read it: lanes
 * know nothing of each other.
 */
function layoutOf({ heads, kvHeads, headDim }: AttentionOp, { graph, rows, sequences }: EmitContext) {
  const group = heads / kvHeads;
  const tokens = rows / sequences;
  const lanes = sequences * kvHeads;
  const ordered = (value: string, parted: number[], perm: number[], shape: number[]) =>
    graph.reshape(
      graph.node('Transpose', [graph.reshape(value, [sequences, tokens, ...parted])], { perm }),
      shape,
    );
  const slice = (data: string, axis: number, begin: number, end: number) =>
    graph.node('Slice', [data, graph.integers([begin]), graph.integers([end]), graph.integers([axis])]);
  return {
    group,
    tokens,
    lanes,
    slice,
    /** (lanes x group x tokens x headDim) */
    queries: (value: string) =>
      ordered(value, [kvHeads, group, headDim], [0, 2, 3, 1, 4], [lanes, group, tokens, headDim]),
    /** (lanes x tokens x headDim) */
    keyRows: (value: string) => ordered(value, [kvHeads, headDim], [0, 2, 1, 3], [lanes, tokens, headDim]),
    /** (lanes x headDim x tokens) */
    keyColumns: (value: string) => ordered(value, [kvHeads, headDim], [0, 2, 3, 1], [lanes, headDim, tokens]),
    /** A number for each query head as (lanes x group x 1 x 1). */
    sinks: (value: string) => {
      const ofSequence = graph.reshape(value, [kvHeads, group, 1, 1]);
      return graph.node('Concat', new Array<string>(sequences).fill(ofSequence), { axis: 0 });
    },
    /** Some rows of what `queries` gives, (lanes x group * size x headDim). */
    rowsOf: (value: string, begin: number, end: number) =>
      graph.reshape(slice(value, 2, begin, end), [lanes, group * (end - begin), headDim]),
    /** The other way round: (sequences x size x heads * headDim). */
    byToken: (value: string, size: number) => {
      const byLane = graph.reshape(value, [sequences, kvHeads, group, size, headDim]);
      const byRow = graph.node('Transpose', [byLane], { perm: [0, 3, 1, 2, 4] });
      return graph.reshape(byRow, [sequences, size, heads * headDim]);
    },
    transposed: (value: string) => graph.node('Transpose', [value], { perm: [0, 2, 1] }),
  };
}

/** A chunk of query rows, and the values that it computes. */
interface Chunk {
  /** Its rows are begin .. end - 1 of each sequence ... */
  readonly begin: number;
  readonly end: number;
  /** ... which are so many ... */
  readonly size: number;
  /** ... and meet the keys first .. end - 1. */
  readonly first: number;
  /** (lanes x group * size x headDim), multiplied by the scale */
  readonly queries: string;
  /** (lanes x group * size x keys): how much of each key's value a row takes. */
  readonly shares: string;
  /** (lanes x group * size x headDim): the chunk's output. */
  readonly mixed: string;
}

/** Adds the nodes of the forward pass. */
function chunksOf(op: AttentionOp, context: EmitContext, layout: ReturnType<typeof layoutOf>): Chunk[] {
  const { graph } = context;
  const { group, tokens, lanes, slice } = layout;
  const { window = tokens } = op;
  const chunk = attentionChunk(lanes * group, tokens);
  const query = layout.queries(graph.node('Mul', [op.query, graph.constant(op.scale)]));
  const key = layout.keyColumns(op.key);
  const value = layout.keyRows(op.value);
  // Keys before a chunk's first row that its rows see, at most.
  const reach = Math.min(window - 1, tokens - chunk);
  const mask = graph.constant(causalMask(chunk, reach, window), [chunk, reach + chunk]);
  const sinks = op.sinks && layout.sinks(context.parameter(op.sinks));
  return chunks(tokens, chunk).map(([begin, end]) => {
    const size = end - begin;
    const first = Math.max(begin - reach, 0);
    const keys = end - first;
    const queries = layout.rowsOf(query, begin, end);
    const products = graph.node('MatMul', [queries, slice(key, 2, first, end)]);
    const seen = slice(slice(mask, 0, 0, size), 1, reach - (begin - first), reach + size);
    const scores = graph.node('Add', [graph.reshape(products, [lanes, group, size, keys]), seen]);
    const shares = graph.reshape(softmax(graph, scores, sinks), [lanes, group * size, keys]);
    const mixed = graph.node('MatMul', [shares, slice(value, 1, first, end)]);
    return { begin, end, size, first, queries, shares, mixed };
  });
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
  const shares = softmax(graph, scores, sinks);
  const mixed = graph.node('MatMul', [shares, fresh('value')]);
  const byToken = graph.node('Transpose', [mixed], { perm: [0, 3, 1, 2, 4] });
  graph.reshape(byToken, [-1, heads * headDim], op.output);
}

/** The softmax of scores, (… x rows x keys), where a sink of each head, (… x 1 x 1), takes part. */
function softmax(graph: GraphWriter, scores: string, sinks: string | undefined): string {
  if (sinks === undefined) return graph.node('Softmax', [scores], { axis: -1 });
  const axis = graph.integers([-1]);
  const largest = graph.node('Max', [graph.node('ReduceMax', [scores, axis], { keepdims: 1 }), sinks]);
  const powers = graph.node('Exp', [graph.node('Sub', [scores, largest])]);
  const sum = graph.node('ReduceSum', [powers, axis], { keepdims: 1 });
  const all = graph.node('Add', [sum, graph.node('Exp', [graph.node('Sub', [sinks, largest])])]);
  return graph.node('Div', [powers, all]);
}

/** Rows of a chunk, by the limits above. */
export function attentionChunk(heads: number, rows: number): number {
  const fitting = Math.floor(MAX_SCORES_BYTES / (4 * heads * rows));
  return Math.min(rows, MAX_CHUNK, Math.max(MIN_CHUNK, fitting));
}

/** Rows 0 .. rows - 1 cut into [begin, end), all of `chunk` rows but the first, which takes the remainder. */
function chunks(rows: number, chunk: number): [number, number][] {
  const bounds: [number, number][] = [];
  for (let end = rows; end > 0; end -= chunk) bounds.unshift([Math.max(end - chunk, 0), end]);
  return bounds;
}

/**
 * The mask of the last chunk, (chunk x reach + chunk): its columns begin `reach` keys before its first row, and row r sees
 * those up to itself, at most `window` of them. Every other chunk's mask is a part of it, further right.
 */
function causalMask(chunk: number, reach: number, window: number): Float32Array {
  const columns = reach + chunk;
  const mask = new Float32Array(chunk * columns).fill(MASKED);
  for (let r = 0; r < chunk; r++) {
    const own = reach + r;
    mask.fill(0, r * columns + Math.max(own + 1 - window, 0), r * columns + own + 1);
  }
  return mask;
}
