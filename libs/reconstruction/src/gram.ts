import { EsparseError } from '@esparse/errors';
import type { MatrixProducts } from '@esparse/model';
import {
  checkAlike,
  checkChannels,
  checkTile,
  damagedState,
  inTurn,
  openState,
  sealState,
  type Statistic,
  type StatisticState,
  type StatisticTile,
} from '@esparse/statistics';

/** Σ x xᵀ of a tap. */
export interface GramState extends StatisticState {
  tokens: number;
  sequences: number;
  /** Rows of the sequence that has not ended yet. */
  readonly rows: Float32Array[];
  /**
   * Sums of the lower triangle, row by row, in whole numbers and in 2^-40: every sequence's entry is cut into the two, so
   * that sums are exact and do not depend on their order.
   */
  readonly whole: Float64Array;
  readonly part: Float64Array;
}

const IDENTITY = { name: 'gram', version: 1, parameters: {} } as const;
const PART = 2 ** 40;
/** Beyond it the sums of parts would be rounded. */
const MAX_SEQUENCES = 2 ** 13;
/** Beyond it the sums of whole numbers would be. */
const MAX_ENTRY = 2 ** 40;
/** Rows of a sequence and of a tile at most: bounds what waits. */
const MAX_ROWS = 2 ** 15;
/** Two sums of 8 bytes for half of the square: 2.1 GB. */
const MAX_GRAM_CHANNELS = 2 ** 14;

/**
 * Σ x xᵀ over the rows x of a tap, the Hessian of a linear's squared error (SparseGPT, arXiv 2301.00774). A sequence is
 * multiplied as a whole by ONNX Runtime, in f32; sequences are added exactly.
 *
 * The law of statistics holds for sequences, not for rows: the rows of one come in order, in one shard.
 */
export function gramStatistic(products: () => Promise<MatrixProducts>): Statistic<GramState, unknown> {
  return {
    ...IDENTITY,

    create(channels) {
      checkChannels(IDENTITY.name, channels);
      if (channels > MAX_GRAM_CHANNELS) {
        throw new EsparseError(
          'unsupported',
          `the Hessian of ${channels} channels is not held, at most of ${MAX_GRAM_CHANNELS}`,
          { hint: 'choose a pipeline without reconstruction for this model' },
        );
      }
      const size = (channels * (channels + 1)) / 2;
      return {
        channels,
        tokens: 0,
        sequences: 0,
        parameters: IDENTITY.parameters,
        rows: [],
        whole: new Float64Array(size),
        part: new Float64Array(size),
      };
    },

    async update(state, tile) {
      checkTile(IDENTITY.name, state, tile, MAX_ROWS);
      await inTurn([state], async () => {
        const x = takeRows(state, tile);
        if (x !== undefined) await addSequence(state, x, await products());
      });
    },

    async merge(into, from) {
      checkAlike(IDENTITY.name, into, from);
      await inTurn([into, from], async () => {
        if (from.rows.length > 0) throw unfinished();
        into.tokens += from.tokens;
        into.sequences = countSequences(into.sequences + from.sequences);
        for (let i = 0; i < into.whole.length; i++) {
          into.whole[i] = into.whole[i]! + from.whole[i]!;
          into.part[i] = into.part[i]! + from.part[i]!;
        }
        await Promise.resolve();
      });
    },

    serialise(state) {
      if (state.rows.length > 0) throw unfinished();
      const size = state.whole.length;
      const body = new Float64Array(1 + 2 * size);
      body[0] = state.sequences;
      body.set(state.whole, 1);
      body.set(state.part, 1 + size);
      return sealState(IDENTITY, state, new Uint8Array(body.buffer));
    },

    deserialise(bytes) {
      const { channels, tokens, body } = openState(IDENTITY, bytes, Number.MAX_SAFE_INTEGER);
      const size = (channels * (channels + 1)) / 2;
      if (body.length !== 8 * (1 + 2 * size)) {
        throw damagedState(IDENTITY.name, `${body.length} bytes do not fit ${channels} channels`);
      }
      const values = new Float64Array(body.slice().buffer);
      const sequences = values[0]!;
      if (!values.every(Number.isSafeInteger) || sequences < 0 || sequences > MAX_SEQUENCES) {
        throw damagedState(IDENTITY.name, 'its sums are not whole numbers');
      }
      return {
        channels,
        tokens,
        sequences,
        parameters: IDENTITY.parameters,
        rows: [],
        whole: values.slice(1, 1 + size),
        part: values.slice(1 + size),
      };
    },
  };
}

/** The symmetric matrix, (channels, channels) f32. */
export function gramOf({ channels, whole, part, rows }: GramState): Float32Array {
  if (rows.length > 0) throw unfinished();
  const matrix = new Float32Array(channels * channels);
  for (let i = 0, at = 0; i < channels; i++) {
    for (let j = 0; j <= i; j++, at++) {
      const value = whole[at]! + part[at]! / PART;
      matrix[i * channels + j] = value;
      matrix[j * channels + i] = value;
    }
  }
  return matrix;
}

/** Keeps a tile's rows; gives those of the whole sequence with its last. */
function takeRows(
  state: GramState,
  { data, rows, endsSequence = false }: StatisticTile,
): Float32Array | undefined {
  if (endsSequence && state.rows.length === 0) {
    state.tokens += rows;
    return data;
  }
  state.rows.push(data.slice());
  state.tokens += rows;
  const held = state.rows.reduce((sum, piece) => sum + piece.length, 0);
  if (held > MAX_ROWS * state.channels) {
    throw new EsparseError('unsupported', `gram: a sequence of more than ${MAX_ROWS} rows`);
  }
  if (!endsSequence) return undefined;
  const x = new Float32Array(held);
  let at = 0;
  for (const piece of state.rows.splice(0)) {
    x.set(piece, at);
    at += piece.length;
  }
  return x;
}

async function addSequence(state: GramState, x: Float32Array, products: MatrixProducts): Promise<void> {
  const { channels, whole, part } = state;
  const product = new Float32Array(channels * channels);
  await products.gram(x, x.length / channels, channels, product);
  state.sequences = countSequences(state.sequences + 1);
  for (let i = 0, at = 0; i < channels; i++) {
    for (let j = 0; j <= i; j++, at++) {
      const value = product[i * channels + j]!;
      if (!(Math.abs(value) < MAX_ENTRY)) {
        throw new EsparseError('numeric', `gram: the product of channels ${i} and ${j} is ${value}`, {
          hint: 'the model overflows on this text: check its weights and dtype, or calibrate on another text',
          context: { channel: i },
        });
      }
      const rounded = Math.round(value);
      whole[at] = whole[at]! + rounded;
      part[at] = part[at]! + Math.round((value - rounded) * PART);
    }
  }
}

function countSequences(sequences: number): number {
  if (sequences <= MAX_SEQUENCES) return sequences;
  throw new EsparseError('unsupported', `gram: more than ${MAX_SEQUENCES} sequences`, {
    hint: 'calibrate on fewer samples',
  });
}

function unfinished(): EsparseError {
  return new EsparseError('internal', 'gram: a sequence has not ended');
}
