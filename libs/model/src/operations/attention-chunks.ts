import type { AttentionOp } from './attention.ts';
import type { HeadLayout } from './attention-layout.ts';
import { attentionSoftmax } from './attention-softmax.ts';
import { MASKED, type EmitContext } from './operation.ts';

/** Rows of queries that meet the keys at once, at most: fewer rows skip more of the masked half. */
const MAX_CHUNK = 128;
/** The scores of one chunk, heads x chunk x keys in f32, stay under this: 64 MiB ... */
const MAX_SCORES_BYTES = 64 << 20;
/** ... unless that leaves fewer rows than these: the graph of the longest sequence has 2048 chunks, no more. */
const MIN_CHUNK = 16;

/** A chunk of query rows, and the values that it computes. */
export interface Chunk {
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
export function chunksOf(op: AttentionOp, context: EmitContext, layout: HeadLayout): Chunk[] {
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
    const shares = graph.reshape(attentionSoftmax(graph, scores, sinks), [lanes, group * size, keys]);
    const mixed = graph.node('MatMul', [shares, slice(value, 1, first, end)]);
    return { begin, end, size, first, queries, shares, mixed };
  });
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
