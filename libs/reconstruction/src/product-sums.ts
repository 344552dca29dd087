import { free } from '@esparse/kernels';
import {
  checkAlike,
  checkChannels,
  checkTile,
  damagedState,
  lacksDeviceMemory,
  openState,
  sealState,
  withLock,
  type DeviceFold,
  type Statistic,
  type StatisticDevice,
  type StatisticState,
  type StatisticTile,
} from '@esparse/statistics';
import { arrivingSums } from './arriving-sums.ts';
import { createDeviceSums, type DeviceSums } from './device-sums.ts';
import { HeldSums } from './held-sums.ts';
import { OpenSequence, type RowPair } from './open-sequence.ts';
import {
  checkedSquares,
  checkRows,
  countSequences,
  MAX_ROWS,
  noBytes,
  requireEnded,
} from './product-checks.ts';
import { createTapMatrix, type TapMatrix } from './tap-matrix.ts';
import { TileSums, type PanelledRows, type TileShape } from './tile-sums.ts';
import type { ProductResources } from './hessian-resources.ts';

/** Which products are summed. */
export interface ProductDefinition {
  readonly name: string;
  readonly version: number;
  readonly needsDense?: boolean;
  /** 'lower' where left and right are the same. */
  readonly shape: TileShape;
  /** What a tile's rows are multiplied as; nothing where their product is zero. */
  pairOf(tile: StatisticTile): RowPair | undefined;
}

/** Σ leftᵀ right of a tap. */
export interface ProductState extends StatisticState {
  tokens: number;
  sequences: number;
  /** Rows of the sequence that has not ended yet. */
  readonly rows: OpenSequence;
  /** The sums of the squares of their channels, on each side. */
  squares: readonly Float64Array[];
  /** Whether there is such a sequence. */
  open: boolean;
  /** Whole sequences that have not been added to the sums. */
  readonly waiting: PanelledRows[];
  /** Absent until something has been added: the few sequences of a shard go on waiting in the state that it is merged into. */
  sums: TileSums | HeldSums | undefined;
  /** Whether there are sums, but elsewhere: they come in pieces. @default false */
  sumsDue?: boolean;
  /** The matrix that the sums are made into, once it is read. */
  matrix: Promise<TapMatrix> | undefined;
}

/** Sums of products as a statistic. */
export type ProductStatistic = Statistic<ProductState, unknown> & {
  /** Adds what waits to the sums. It would come to that by itself. */
  settle(state: ProductState): Promise<void>;
  /** The matrix, in place of the sums: nothing more can be added. */
  finish(state: ProductState): Promise<TapMatrix>;
};

/**
 * Bytes of sequences that wait, of each state, at most: no more than the sums would take, and enough for a visit of them
 * to pay for itself.
 */
const WAITING_BYTES = 64 * 2 ** 20;
/**
 * Share of the memory that all states of a run together may have for what waits, beyond that, where their sums lie in a
 * file: each visit reads and writes all of them.
 */
export const WAITING_SHARE = 1 / 4;

/** Seconds to add an entry of a sequence's product to the sums: 1.5 to 3 ns were seen. */
const SUM_SECONDS = 2e-9;

/**
 * Σ leftᵀ right over the rows of a tap. A sequence is multiplied as a whole by ONNX Runtime, in f32 and tile by tile;
 * sequences are added exactly.
 *
 * The law of statistics holds for sequences, not for rows: the rows of one come in order, in one shard. Where the sums
 * lie, in memory or in a file, changes no bit. On a GPU the same sums are made of its own products, and sent in tiles.
 */
export function productStatistic(
  { name, version, needsDense = false, shape, pairOf }: ProductDefinition,
  { products, spill, waiting }: ProductResources,
): ProductStatistic {
  const heldBy = (state: ProductState) => state.waiting.reduce((sum, sequence) => sum + bytesOf(sequence), 0);
  /** What waits of a state, which waits no more. */
  const taken = (state: ProductState): PanelledRows[] => {
    waiting.bytes -= heldBy(state);
    return state.waiting.splice(0);
  };
  /** In this process's own memory. */
  const onHost = async (sums: TileSums | HeldSums): Promise<TileSums> => {
    if (sums instanceof TileSums) return sums;
    try {
      return await sums.tiles(spill);
    } finally {
      sums.release();
    }
  };
  /** The matrix of sums that lie in a device's memory, if there is room for it: these are released then. */
  const matrixThere = (sums: TileSums | HeldSums): TapMatrix | undefined => {
    if (sums instanceof TileSums) return undefined;
    try {
      const matrix = sums.matrix(products);
      sums.release();
      return matrix;
    } catch (error) {
      if (!lacksDeviceMemory(error)) throw error;
      return undefined;
    }
  };
  /** Adds sums to those of a state, and releases them. */
  const add = async (into: ProductState, sums: TileSums | HeldSums): Promise<void> => {
    if (into.sums instanceof HeldSums && sums instanceof HeldSums) {
      into.sums.merge(sums);
      sums.release();
      return;
    }
    const [host, other] = [await onHost(into.sums!), await onHost(sums)];
    into.sums = host;
    await host.merge(other);
    other.release();
  };
  const fold = async (state: ProductState): Promise<void> => {
    if (state.waiting.length === 0) return;
    const sums = (state.sums = await onHost(
      state.sums ?? (await TileSums.create(state.channels, shape, spill)),
    ));
    const opened = await products();
    const some = taken(state);
    // Products are for one caller at a time.
    await withLock([opened], () => sums.add(some, opened));
    freeSequences(some);
  };
  /** Takes a sequence in, after what waits has been added where there is no room for both. */
  const take = async (state: ProductState, sequence: PanelledRows): Promise<void> => {
    const held = heldBy(state);
    const bytes = bytesOf(sequence);
    const shared =
      state.sums instanceof TileSums && state.sums.spilled
        ? WAITING_SHARE * spill.memory - (waiting.bytes - held)
        : 0;
    if (held + bytes > Math.max(usualWaiting(state.channels, shape), shared)) await fold(state);
    state.waiting.push(sequence);
    waiting.bytes += bytes;
  };

  const identity = { name, version, parameters: {} };
  const create = (channels: number): ProductState => {
    checkChannels(name, channels);
    return {
      channels,
      tokens: 0,
      sequences: 0,
      parameters: {},
      rows: new OpenSequence(channels, shape === 'lower'),
      squares: [],
      open: false,
      waiting: [],
      sums: undefined,
      matrix: undefined,
    };
  };

  return {
    ...identity,
    needsDense,
    create,

    async update(state, tile) {
      checkTile(name, state, tile, MAX_ROWS);
      await withLock([state], async () => {
        const { rows, endsSequence = false } = tile;
        const pair = pairOf(tile);
        if (pair !== undefined) {
          checkRows(name, state.rows.rows + rows);
          state.squares = checkedSquares(name, state, pair, shape);
        }
        if (endsSequence) state.sequences = countSequences(name, state.sequences + 1);
        if (pair !== undefined) state.rows.append(pair, endsSequence);
        if (endsSequence) {
          state.squares = [];
          if (state.rows.rows > 0) await take(state, state.rows.end());
        }
        state.open = !endsSequence;
        state.tokens += rows;
      });
    },

    async merge(into, from) {
      checkAlike(name, into, from);
      await withLock([into, from], async () => {
        requireEnded(name, from);
        into.tokens += from.tokens;
        into.sequences = countSequences(name, into.sequences + from.sequences);
        const { sums } = from;
        if (into.sums === undefined) into.sums = sums;
        else if (sums !== undefined) await add(into, sums);
        from.sums = undefined;
        for (const sequence of taken(from)) await take(into, sequence);
      });
    },

    serialise(state) {
      const isHere = state.sums !== undefined || state.waiting.length > 0 || state.open;
      if (isHere || state.matrix !== undefined) noBytes(name);
      const body = new Uint8Array(HEAD_BYTES);
      const view = new DataView(body.buffer);
      view.setUint32(0, state.sequences, true);
      view.setUint8(4, state.sumsDue === true ? 1 : 0);
      return sealState(identity, state, body);
    },

    deserialise(bytes, expected) {
      const { channels, tokens, body } = openState(identity, bytes, Number.MAX_SAFE_INTEGER, expected);
      if (body.length !== HEAD_BYTES) throw damagedState(name, `${body.length} bytes are not its head`);
      const view = new DataView(body.buffer, body.byteOffset, body.length);
      const [sequences, due] = [view.getUint32(0, true), view.getUint8(4)];
      if (due > 1 || sequences > tokens) throw damagedState(name, 'its head is out of range');
      return { ...create(channels), tokens, sequences: countSequences(name, sequences), sumsDue: due === 1 };
    },

    pieces: {
      bytes: (channels) => TileSums.bytes(channels, shape),
      receive: (channels) => arrivingSums(name, channels, { shape, spill }),
    },

    onDevice(device, channels) {
      checkChannels(name, channels);
      return foldOnDevice(device, create(channels), { name, shape, needsDense });
    },

    settle: (state) => withLock([state], () => fold(state)),

    finish: (state) =>
      (state.matrix ??= withLock([state], async () => {
        requireEnded(name, state);
        await fold(state);
        const sums = state.sums ?? (await TileSums.create(state.channels, shape, spill));
        state.sums = undefined;
        return matrixThere(sums) ?? createTapMatrix(await onHost(sums), await products(), spill);
      })),

    // The memory is that of `resources`, which are in the cost of the stage that opened them.
    cost: ({ channels, seqlen }) => ({
      flops: 2 * seqlen * channels ** 2,
      seconds: (shape === 'lower' ? 1 / 2 : 1) * SUM_SECONDS * channels ** 2,
    }),

    dispose(state) {
      state.sums?.release();
      state.sums = undefined;
      state.rows.release();
      freeSequences(taken(state));
    },
  };
}

/** Bytes of a state without its sums: how many sequences it has seen, and whether there are sums. */
const HEAD_BYTES = 5;

/** A state whose sums are made on a GPU, once there is something to add. */
function foldOnDevice(
  device: StatisticDevice,
  state: ProductState,
  { name, shape, needsDense }: Pick<Required<ProductDefinition>, 'name' | 'shape' | 'needsDense'>,
): DeviceFold<ProductState> {
  const { channels } = state;
  let sums: DeviceSums | undefined;
  return {
    update(tile) {
      checkRows(name, tile.seqlen);
      state.sequences = countSequences(name, state.sequences + tile.rows / tile.seqlen);
      state.tokens += tile.rows;
      if (needsDense && tile.dense === undefined) return;
      sums ??= createDeviceSums(device, channels, { name, shape });
      sums.add(tile);
    },
    finish() {
      sums?.check();
      return { ...state, sumsDue: sums !== undefined };
    },
    piece: (index) => sums?.tile(index),
    shares: () => (sums === undefined ? [] : [sums.address]),
    release: () => sums?.release(),
  };
}

/** Bytes of a state that wait, wherever the sums lie. */
export function usualWaiting(channels: number, shape: TileShape): number {
  return Math.min(WAITING_BYTES, TileSums.bytes(channels, shape));
}

function bytesOf(sequence: PanelledRows): number {
  return panelsIn(sequence).reduce((sum, panel) => sum + panel.byteLength, 0);
}

/** All panels of a sequence, each once. */
function panelsIn({ left, right }: PanelledRows): readonly Float32Array[] {
  return left === right ? left : [...left, ...right];
}

function freeSequences(sequences: readonly PanelledRows[]): void {
  for (const sequence of sequences) for (const panel of panelsIn(sequence)) free(panel);
}
