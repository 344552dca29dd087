import type { Cost, TapShape } from './cost.ts';
import type { DeviceFold, StatisticDevice } from './device.ts';

/** A piece of a tap's activations: f32 (rows, channels), row-major, one row per token. */
export interface StatisticTile {
  readonly data: Float32Array;
  readonly rows: number;
  readonly channels: number;
  /**
   * Whether these rows are the last of their sequence, for statistics that take sequences whole: the rows of a sequence
   * come in order, in one shard. @default false
   */
  readonly endsSequence?: boolean;
  /**
   * The same rows in the dense model, (rows, channels), for statistics that need them: `data` are those behind the blocks
   * that are pruned already. Not there where both are the same, as in the first block.
   */
  readonly dense?: Float32Array | undefined;
  /**
   * The number of the token of its first row among all tokens of the calibration. Not there unless somebody asked for it, and where
   * its rows are not one token after the other: those of an expert.
   */
  readonly firstToken?: number | undefined;
}

/** What distinguishes two statistics of the same name and version; states that differ in it never merge. */
export type StatisticParameters = Readonly<Record<string, string | number>>;

/** What every state of a statistic says of itself. */
export interface StatisticState {
  /** Channels of the tap. */
  readonly channels: number;
  /** Rows seen so far. */
  readonly tokens: number;
  readonly parameters: StatisticParameters;
}

/** A state's pieces on their way into this process. */
export interface ArrivingPieces<State> {
  /**
   * The next bytes of them, cut anywhere.
   *
   * @throws EsparseError `protocol` for bytes that no piece can have
   */
  add(bytes: Uint8Array): Promise<void>;
  /**
   * All of them at once, in place of their bytes, from another process's memory, which has been read when this settles.
   *
   * @param addresses - of what `DeviceFold.shares` tells, in its order
   */
  read?(device: StatisticDevice, addresses: readonly number[]): Promise<void>;
  /** Gives them to the state that `deserialise` made. @throws EsparseError `protocol` unless they are all there */
  complete(state: State): void;
  /** Gives back the memory of what no state was given. */
  release(): void;
}

/** How states travel that are too large for one array of bytes: see `Statistic.pieces`. */
export interface PiecedStates<State> {
  /** Bytes of all pieces of a state of so many channels. */
  bytes(channels: number): number;
  receive(channels: number): ArrivingPieces<State>;
}

/**
 * A statistic of a tap's activations: a commutative monoid over tiles.
 *
 * The law: a state depends on the rows it has seen only, never on their order, on how they were cut into tiles
 * and shards, or on the tree in which states were merged: `serialise` gives the same bytes. A fresh state is the
 * identity of `merge`.
 *
 * `update` and `merge` on the same state run one after the other, in the order in which they were called.
 */
export interface Statistic<State extends StatisticState, Options> {
  /** Lower-case words joined by dashes; unique among the statistics of a run. */
  readonly name: string;
  /** Raised when the same rows would give another state, or other bytes. */
  readonly version: number;
  /** The parameters of its states. */
  readonly parameters: StatisticParameters;
  /** Whether its tiles must have the dense model's rows: they cost another forward pass. @default false */
  readonly needsDense?: boolean;

  /** A state that has seen nothing. */
  create(channels: number, options: Options): State;

  /**
   * Adds the rows of a tile, which must not be changed until the promise settles.
   *
   * @throws EsparseError `numeric`, naming the channel, for a value that the statistic cannot hold; the state is
   *   then as it was.
   */
  update(state: State, tile: StatisticTile): Promise<void>;

  /**
   * Adds what `from` has seen to `into`; `from` must not be used again, but to be disposed of.
   *
   * @throws EsparseError `protocol` where channels or parameters differ.
   */
  merge(into: State, from: State): Promise<void>;

  /** The state as bytes: a header that names it, then its numbers, little-endian. */
  serialise(state: State): Uint8Array;

  /**
   * The state that `serialise` wrote.
   *
   * @param channels - Those that it must have: hostile bytes then make no larger state.
   * @throws EsparseError `protocol` for bytes that it cannot have written.
   */
  deserialise(bytes: Uint8Array, channels?: number): State;

  /**
   * For states that are too large for one array of bytes: `serialise` then tells what a state is without its pieces, which
   * are sent before. Such states are folded on devices only, and what they hold are the device's sums: equal runs on equal
   * devices have equal bytes, others differ by rounding.
   *
   * @default a state is what `serialise` gives
   */
  readonly pieces?: PiecedStates<State>;

  /**
   * Begins a state in the memory of a GPU that has a tap's activations: what comes of it is the same state, to the bit.
   *
   * @default none: activations are brought to the host
   */
  onDevice?(device: StatisticDevice, channels: number): DeviceFold<State>;

  /**
   * Makes a state of so many rows from another process's memory, in place of its bytes, which has been read when this settles.
   *
   * @param addresses - of what `DeviceFold.shares` tells, in its order
   * @default states without pieces travel as bytes
   */
  takeOver?(
    device: StatisticDevice,
    addresses: readonly number[],
    channels: number,
    tokens: number,
  ): Promise<State>;

  /**
   * Frees the memory of a state at once; it must not be used again. Without it the garbage collector does so in its own
   * time: too late where states are hundreds of megabytes.
   */
  dispose?(state: State): void;

  /**
   * What it takes, for `esparse plan`: `bytes` of one state of a tap, `flops` and `seconds` of one sequence.
   *
   * @default not known: the plan says that it leaves this statistic out
   */
  cost?(tap: TapShape): Cost;
}

/** Any statistic, whatever its state. */
export type AnyStatistic = Statistic<StatisticState, unknown>;
