import type { OpNamed } from '@esparse/model';
import type { CudaOperation, Pass, PassSizes } from '../operation.ts';
import type { Sum, Tensor } from '../tensor.ts';

/** The scores of the lanes that are computed at once stay under this, with their shares, or are those of one lane: 1 GiB. */
const MOST_BYTES = 2 ** 30;
/** Shares of all lanes stay from the way there to the way back as long as they are under this: 4 GiB. */
const MOST_KEPT = 2 ** 32;

/**
 * Causal attention by matrix products over lanes (see `kernels/tune/attention.cuh`), some lanes at a time: scores in f32, shares in
 * bf16. The way back finds the shares of the way there, unless these are many: then it makes them again.
 */
export const attention: CudaOperation<OpNamed<'attention'>> = {
  memory(op, sizes) {
    const { rows, tokens } = sizes;
    const { heads, kvHeads, headDim } = op;
    const { lanes, atOnce, queries, kept } = lanesOf(op, sizes);
    const [wide, narrow] = [2 * rows * heads * headDim, 2 * rows * kvHeads * headDim];
    const ofLane = queries * tokens;
    const [scores, shares] = [4 * atOnce * ofLane, 2 * (kept ? lanes : atOnce) * ofLane];
    // Queries, keys, values; what is mixed, or its gradient; gradients of the first three; scores; shares.
    return [wide, narrow, narrow, wide, wide, narrow, narrow, scores, shares];
  },
  forward(op, pass) {
    const { query, key, value, mixed } = memoryOf(op, pass);
    byHeads(pass, pass.value(op.query), query, op.heads, op.headDim);
    byHeads(pass, pass.value(op.key), key, op.kvHeads, op.headDim);
    byHeads(pass, pass.value(op.value), value, op.kvHeads, op.headDim);
    const { queries } = lanesOf(op, pass);
    const { tokens: keys } = pass;
    overLanes(op, pass, (batch, at) => {
      shareOut(op, pass, batch, at);
      pass.multiply({
        ...{ m: queries, n: op.headDim, k: keys, batch, inputs: 'bf16', outputs: 'bf16' },
        ...{ left: at.shares, leftStep: queries * keys },
        ...{ right: value + 2 * at.key, rightStep: keys * op.headDim },
        ...{ out: mixed + 2 * at.query, outStep: queries * op.headDim },
      });
    });
    byRows(pass, mixed, { ...pass.value(op.output), accumulate: false }, op.heads, op.headDim);
  },
  back(op, pass) {
    const memory = memoryOf(op, pass);
    const { query, key, value, mixed, ofQuery, ofKey, ofValue, scores } = memory;
    const { headDim, scale, heads, kvHeads } = op;
    const { queries, kept } = lanesOf(op, pass);
    const { tokens: keys, kernels, multiply } = pass;
    byHeads(pass, pass.gradient(op.output), mixed, heads, headDim);
    overLanes(op, pass, (batch, at) => {
      const { shares } = at;
      if (!kept) shareOut(op, pass, batch, at);
      const both = { batch, inputs: 'bf16', outputs: 'bf16' } as const;
      const byKey = { outStep: keys * headDim, transposeLeft: true, left: shares, leftStep: queries * keys };
      const given = mixed + 2 * at.query;
      multiply({
        ...{ m: keys, n: headDim, k: queries, ...both, ...byKey },
        ...{ right: given, rightStep: queries * headDim, out: ofValue + 2 * at.key },
      });
      multiply({
        ...{ m: queries, n: keys, k: headDim, batch, inputs: 'bf16', outputs: 'f32', transposeRight: true },
        ...{ left: given, leftStep: queries * headDim },
        ...{ right: value + 2 * at.key, rightStep: keys * headDim, out: scores, outStep: queries * keys },
      });
      const rows = batch * queries;
      kernels.rows('softmax_back', rows, [{ pointer: shares }, { pointer: scores }, ...seen(op, rows, keys)]);
      multiply({
        ...{ m: queries, n: headDim, k: keys, alpha: scale, ...both },
        ...{ left: shares, leftStep: queries * keys, right: key + 2 * at.key, rightStep: keys * headDim },
        ...{ out: ofQuery + 2 * at.query, outStep: queries * headDim },
      });
      multiply({
        ...{ m: keys, n: headDim, k: queries, alpha: scale, ...both, ...byKey },
        ...{ right: query + 2 * at.query, rightStep: queries * headDim, out: ofKey + 2 * at.key },
      });
    });
    for (const [name, from, of] of [
      [op.query, ofQuery, heads],
      [op.key, ofKey, kvHeads],
      [op.value, ofValue, kvHeads],
    ] as const) {
      const sum = pass.give(name);
      if (sum !== undefined) byRows(pass, from, sum, of, headDim);
    }
  },
};

/** A lane has so many rows of queries; so many lanes are computed at once. */
function lanesOf({ heads, kvHeads }: OpNamed<'attention'>, { sequences, tokens }: PassSizes) {
  const queries = (heads / kvHeads) * tokens;
  const lanes = sequences * kvHeads;
  const fitting = Math.max(1, Math.floor(MOST_BYTES / (6 * queries * tokens)));
  const kept = lanes <= fitting || 2 * lanes * queries * tokens <= MOST_KEPT;
  return { queries, lanes, atOnce: Math.min(lanes, fitting), kept };
}

function memoryOf(op: OpNamed<'attention'>, { own }: Pass) {
  const [query, key, value, mixed, ofQuery, ofKey, ofValue, scores, shares] = own(op.output) as number[];
  return {
    ...{ query: query!, key: key!, value: value!, mixed: mixed!, ofQuery: ofQuery!, ofKey: ofKey! },
    ...{ ofValue: ofValue!, scores: scores!, shares: shares! },
  };
}

/** Elements before a lane, of what has a row for each query and for each key; and where its shares are. */
interface Place {
  readonly query: number;
  readonly key: number;
  readonly shares: number;
}

function overLanes(op: OpNamed<'attention'>, pass: Pass, use: (batch: number, at: Place) => void): void {
  const { queries, lanes, atOnce, kept } = lanesOf(op, pass);
  const { shares } = memoryOf(op, pass);
  for (let lane = 0; lane < lanes; lane += atOnce) {
    const at = {
      ...{ query: lane * queries * op.headDim, key: lane * pass.tokens * op.headDim },
      shares: shares + (kept ? 2 * lane * queries * pass.tokens : 0),
    };
    use(Math.min(atOnce, lanes - lane), at);
  }
}

/** Scores of some lanes, and their shares. */
function shareOut(op: OpNamed<'attention'>, pass: Pass, batch: number, at: Place): void {
  const { headDim, scale } = op;
  const { query, key, scores } = memoryOf(op, pass);
  const { queries } = lanesOf(op, pass);
  const { tokens: keys, kernels } = pass;
  pass.multiply({
    ...{ m: queries, n: keys, k: headDim, batch, alpha: scale, inputs: 'bf16', outputs: 'f32' },
    ...{ left: query + 2 * at.query, leftStep: queries * headDim, transposeRight: true },
    ...{ right: key + 2 * at.key, rightStep: keys * headDim, out: scores, outStep: queries * keys },
  });
  const rows = batch * queries;
  kernels.rows('softmax', rows, [{ pointer: scores }, { pointer: at.shares }, ...seen(op, rows, keys)]);
}

/** What tells which keys a row sees: of all rows, keys, and the window. */
function seen({ window }: OpNamed<'attention'>, rows: number, keys: number) {
  return [rows, keys, window ?? keys];
}

/** Rows of tokens as lanes, bf16. */
function byHeads(pass: Pass, from: Tensor, to: number, heads: number, dims: number): void {
  rearrange(pass, from, { address: to, type: 'bf16', accumulate: false }, false, heads, dims);
}

/** And back. */
function byRows(pass: Pass, from: number, to: Sum, heads: number, dims: number): void {
  rearrange(pass, { address: from, type: 'bf16' }, to, true, heads, dims);
}

function rearrange(
  { kernels, sequences, tokens, rows }: Pass,
  from: Tensor,
  to: Sum,
  merge: boolean,
  heads: number,
  dims: number,
): void {
  const sizes = [sequences, tokens, heads, dims / 8];
  kernels.elements('heads', (rows * heads * dims) / 8, [from, to, merge, ...sizes]);
}
