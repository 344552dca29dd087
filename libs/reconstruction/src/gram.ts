import { EsparseError } from '@esparse/errors';
import { EXACT_SUM_LIMIT, EXACT_SUM_MAX_ADDENDS, free } from '@esparse/kernels';
import {
  checkAlike,
  checkChannels,
  checkTile,
  inTurn,
  type Statistic,
  type StatisticState,
} from '@esparse/statistics';
import { createHessian, type Hessian } from './hessian.ts';
import { panelsOf } from './panels.ts';
import { TileSums, type PanelledRows } from './tile-sums.ts';
import type { Workshop } from './workshop.ts';

/** Σ x xᵀ of a tap. */
export interface GramState extends StatisticState {
  tokens: number;
  sequences: number;
  /** Rows of the sequence that has not ended yet. */
  readonly rows: Float32Array[];
  /** Whole sequences that have not been added to the sums. */
  readonly waiting: PanelledRows[];
  /** Absent until something has been added: the few sequences of a shard go on waiting in the state it is merged into. */
  sums: TileSums | undefined;
  /** What has become of the sums once somebody has asked for it. */
  hessian: Promise<Hessian> | undefined;
}

/** Hessians as a statistic. */
export type GramStatistic = Statistic<GramState, unknown> & {
  /** Adds what waits to the sums. It would come to that by itself. */
  settle(state: GramState): Promise<void>;
  /** The Hessian, in place of the sums: nothing more can be added. */
  finish(state: GramState): Promise<Hessian>;
};

const IDENTITY = { name: 'gram', version: 2, parameters: {} } as const;
/** Rows of a sequence and of a tile at most: bounds what waits. */
const MAX_ROWS = 2 ** 15;
/**
 * Bytes of sequences that wait, of each state, at most: no more than the sums would take, and enough for a visit of them
 * to pay for itself.
 */
const WAITING_BYTES = 64 * 2 ** 20;
/**
 * Share of the memory that all states together may have for what waits, beyond that, where their sums lie in a file: each
 * visit reads and writes all of them.
 */
export const WAITING_SHARE = 1 / 4;

/**
 * Σ x xᵀ over the rows x of a tap, the Hessian of a linear's squared error (SparseGPT, arXiv 2301.00774). A sequence is
 * multiplied as a whole by ONNX Runtime, in f32 and tile by tile; sequences are added exactly.
 *
 * The law of statistics holds for sequences, not for rows: the rows of one come in order, in one shard. Where the sums
 * lie, in memory or in a file, changes no bit. They outweigh most streams of activations, so they have no bytes to send.
 */
export function gramStatistic({ products, spill }: Pick<Workshop, 'products' | 'spill'>): GramStatistic {
  /** Bytes that wait, of all states. */
  let waiting = 0;
  const heldBy = ({ channels, waiting: some }: GramState) =>
    some.reduce((sum, { rows }) => sum + 4 * rows * channels, 0);
  /** What waits of a state, which waits no more. */
  const taken = (state: GramState): PanelledRows[] => {
    waiting -= heldBy(state);
    return state.waiting.splice(0);
  };
  const fold = async (state: GramState): Promise<void> => {
    if (state.waiting.length === 0) return;
    state.sums ??= await TileSums.create(state.channels, spill);
    const opened = await products();
    const { sums } = state;
    const some = taken(state);
    // Products are for one caller at a time.
    await inTurn([opened], () => sums.add(some, opened));
    letGo(some);
  };
  /** Takes a sequence in, after what waits has been added where there is no room for both. */
  const take = async (state: GramState, sequence: PanelledRows): Promise<void> => {
    const held = heldBy(state);
    const bytes = 4 * sequence.rows * state.channels;
    const shared = state.sums?.spilled === true ? WAITING_SHARE * spill.memory - (waiting - held) : 0;
    if (held + bytes > Math.max(usualWaiting(state.channels), shared)) await fold(state);
    state.waiting.push(sequence);
    waiting += bytes;
  };

  return {
    ...IDENTITY,

    create(channels) {
      checkChannels(IDENTITY.name, channels);
      return {
        channels,
        tokens: 0,
        sequences: 0,
        parameters: IDENTITY.parameters,
        rows: [],
        waiting: [],
        sums: undefined,
        hessian: undefined,
      };
    },

    async update(state, tile) {
      checkTile(IDENTITY.name, state, tile, MAX_ROWS);
      await inTurn([state], async () => {
        const { data, rows, endsSequence = false } = tile;
        const pieces = [...state.rows, data];
        checkRows(pieces, state.channels);
        if (endsSequence) {
          checkSizes(pieces, state.channels);
          state.sequences = countSequences(state.sequences + 1);
          state.rows.length = 0;
          await take(state, panelled(pieces, state.channels));
        } else state.rows.push(data.slice());
        state.tokens += rows;
      });
    },

    async merge(into, from) {
      checkAlike(IDENTITY.name, into, from);
      await inTurn([into, from], async () => {
        requireEnded(from);
        into.tokens += from.tokens;
        into.sequences = countSequences(into.sequences + from.sequences);
        const { sums } = from;
        if (into.sums === undefined) into.sums = sums;
        else if (sums !== undefined) {
          await into.sums.merge(sums);
          sums.release();
        }
        from.sums = undefined;
        for (const sequence of taken(from)) await take(into, sequence);
      });
    },

    serialise: noBytes,
    deserialise: noBytes,

    settle: (state) => inTurn([state], () => fold(state)),

    finish: (state) =>
      (state.hessian ??= inTurn([state], async () => {
        requireEnded(state);
        await fold(state);
        const sums = state.sums ?? (await TileSums.create(state.channels, spill));
        state.sums = undefined;
        return createHessian(sums, await products(), spill);
      })),

    dispose(state) {
      state.sums?.release();
      state.sums = undefined;
      letGo(taken(state));
    },
  };
}

/** Bytes of a state that wait, wherever the sums lie. */
export function usualWaiting(channels: number): number {
  return Math.min(WAITING_BYTES, TileSums.bytes(channels));
}

function letGo(sequences: readonly PanelledRows[]): void {
  for (const { panels } of sequences) for (const panel of panels) free(panel);
}

function checkRows(pieces: readonly Float32Array[], channels: number): void {
  const held = pieces.reduce((sum, piece) => sum + piece.length, 0);
  if (held <= MAX_ROWS * channels) return;
  throw new EsparseError('unsupported', `gram: a sequence of more than ${MAX_ROWS} rows`);
}

/** Refuses what no sum can hold. An entry off the diagonal is no larger than the larger one of the two on it. */
function checkSizes(pieces: readonly Float32Array[], channels: number): void {
  const squares = new Float64Array(channels);
  for (const piece of pieces) {
    for (let at = 0; at < piece.length; at += channels) {
      for (let c = 0; c < channels; c++) squares[c] = squares[c]! + piece[at + c]! ** 2;
    }
  }
  // NaN fails the comparison, too. Half, since a product of f32 is rounded.
  const channel = squares.findIndex((sum) => !(sum < EXACT_SUM_LIMIT / 2));
  if (channel < 0) return;
  throw new EsparseError(
    'numeric',
    `gram: the squares of channel ${channel} add up to ${squares[channel]!}`,
    {
      hint: 'the model overflows on this text: check its weights and dtype, or calibrate on another text',
      context: { channel },
    },
  );
}

/** The rows of a sequence, copied panel by panel. */
function panelled(pieces: readonly Float32Array[], channels: number): PanelledRows {
  const rows = pieces.reduce((sum, piece) => sum + piece.length / channels, 0);
  const panels = panelsOf(channels).map(({ first, width }) => {
    const panel = new Float32Array(rows * width);
    let to = 0;
    for (const piece of pieces) {
      for (let at = first; at < piece.length; at += channels, to += width)
        panel.set(piece.subarray(at, at + width), to);
    }
    return panel;
  });
  return { rows, panels };
}

function countSequences(sequences: number): number {
  if (sequences <= EXACT_SUM_MAX_ADDENDS) return sequences;
  throw new EsparseError('unsupported', `gram: more than ${EXACT_SUM_MAX_ADDENDS} sequences`, {
    hint: 'calibrate on fewer samples',
  });
}

function requireEnded({ rows }: GramState): void {
  if (rows.length > 0) throw new EsparseError('internal', 'gram: a sequence has not ended');
}

function noBytes(): never {
  throw new EsparseError('unsupported', 'gram: its sums are not sent from one process to another', {
    hint: 'leave out --combine worker with this pipeline',
  });
}
