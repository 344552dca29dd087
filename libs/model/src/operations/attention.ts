import { MASKED, type EmitContext, type ModelContext, type Operation } from './operation.ts';

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
}

export const attention = {
  part: 'block',
  inputs: ({ query, key, value }) => [query, key, value],
  width: ({ heads, headDim }) => heads * headDim,
  emit: emitAttention,
  emitInModel,
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
function emitAttention(op: AttentionOp, { graph, rows }: EmitContext): void {
  const { heads, kvHeads, headDim, window = rows } = op;
  const group = heads / kvHeads;
  const chunk = attentionChunk(heads, rows);
  const scaled = graph.node('Mul', [op.query, graph.constant(op.scale)]);
  // (kvHeads x group x rows x headDim), (kvHeads x headDim x rows), (kvHeads x rows x headDim)
  const query = graph.node('Transpose', [graph.reshape(scaled, [rows, kvHeads, group, headDim])], {
    perm: [1, 2, 0, 3],
  });
  const key = graph.node('Transpose', [graph.reshape(op.key, [rows, kvHeads, headDim])], { perm: [1, 2, 0] });
  const value = graph.node('Transpose', [graph.reshape(op.value, [rows, kvHeads, headDim])], {
    perm: [1, 0, 2],
  });
  // Keys before a chunk's first row that its rows see, at most.
  const reach = Math.min(window - 1, rows - chunk);
  const mask = graph.constant(causalMask(chunk, reach, window), [chunk, reach + chunk]);
  const slice = (data: string, axis: number, begin: number, end: number) =>
    graph.node('Slice', [data, graph.integers([begin]), graph.integers([end]), graph.integers([axis])]);

  const parts = chunks(rows, chunk).map(([begin, end]) => {
    const size = end - begin;
    const first = Math.max(begin - reach, 0);
    const queries = graph.reshape(slice(query, 2, begin, end), [kvHeads, group * size, headDim]);
    const products = graph.node('MatMul', [queries, slice(key, 2, first, end)]);
    const seen = slice(slice(mask, 0, 0, size), 1, reach - (begin - first), reach + size);
    const keys = end - first;
    const scores = graph.node('Add', [graph.reshape(products, [kvHeads, group, size, keys]), seen]);
    const shares = graph.reshape(graph.node('Softmax', [scores], { axis: -1 }), [
      kvHeads,
      group * size,
      keys,
    ]);
    const mixed = graph.node('MatMul', [shares, slice(value, 1, first, end)]);
    const byToken = graph.node('Transpose', [graph.reshape(mixed, [kvHeads, group, size, headDim])], {
      perm: [2, 0, 1, 3],
    });
    return graph.reshape(byToken, [size, heads * headDim]);
  });
  graph.node('Concat', parts, { axis: 0 }, [op.output]);
}

/** Causal attention over a cache. Query heads that share a key head are a dimension of their own, which keys do not have. */
function emitInModel(op: AttentionOp, { graph, batch, mask, cached }: ModelContext): void {
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
  const shares = graph.node('Softmax', [scores], { axis: -1 });
  const mixed = graph.node('MatMul', [shares, fresh('value')]);
  const byToken = graph.node('Transpose', [mixed], { perm: [0, 3, 1, 2, 4] });
  graph.reshape(byToken, [-1, heads * headDim], op.output);
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
