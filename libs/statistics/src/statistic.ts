/** A piece of a tap's activations: (rows x channels), row-major. */
export interface StatisticTile {
  readonly data: Float32Array;
  readonly rows: number;
  readonly channels: number;
}

/**
 * What is gathered of a tap: a commutative monoid over tiles. `create` is the identity; the state depends on the data
 * alone, bit for bit, however it was cut into tiles, ordered and merged.
 */
export interface Statistic<State> {
  readonly name: string;
  /** Of the serialised form and of what it means. */
  readonly version: number;
  create(channels: number): State;
  /**
   * Counts a tile. Updates of one state must not overlap.
   *
   * @throws EsparseError `numeric`, naming the channel, for NaN, infinity or what is out of range; the state is
   * unchanged
   */
  update(state: State, tile: StatisticTile): Promise<void>;
  /** Adds `from` to `into`; `from` must not be used afterwards. */
  merge(into: State, from: State): Promise<void>;
  /** What the state says of each channel: (channels). */
  finish(state: State): Promise<Float32Array>;
  serialise(state: State): Uint8Array;
  /** @throws EsparseError `store` for bytes that are not such a state */
  deserialise(bytes: Uint8Array): State;
}
