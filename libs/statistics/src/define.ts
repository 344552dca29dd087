import type { Cost, TapShape } from './cost.ts';
import { checkAlike, checkChannels, checkTile } from './checks.ts';
import type { DeviceFold, StatisticDevice } from './device.ts';
import { open, seal } from './envelope.ts';
import { checkPlugin } from './plugin-name.ts';
import type { Statistic, StatisticParameters, StatisticState, StatisticTile } from './statistic.ts';
import { checkUnlocked, withLock } from './state-lock.ts';

/** Rows of a tile at most, where a statistic does not say: far above a sequence. */
const MAX_ROWS = 2 ** 20;

/** A state: what is known of every state, and what the statistic holds. */
export type DefinedState<Held> = StatisticState & Held & { tokens: number };

/** A statistic without what all of them have in common: see `defineStatistic`. */
export interface StatisticDefinition<Held extends object> {
  /** Lower-case words joined by dashes; unique among the statistics of a run. */
  readonly name: string;
  /** Raised when the same rows would give another state, or other bytes. @default 1 */
  readonly version?: number;
  /** What distinguishes its states from others of the same name and version. @default none */
  readonly parameters?: StatisticParameters;
  /** Whether tiles must have the dense model's rows: see `Statistic`. @default false */
  readonly needsDense?: boolean;
  /** Rows of a tile at most. @default 2 ** 20 */
  readonly maxRows?: number;
  /** Rows of a state at most. @default any number */
  readonly maxTokens?: number;
  /** What a state holds that has seen nothing, such as an array of numbers for each channel. */
  create(channels: number): Held;
  /** Adds the rows of a tile, or throws and leaves the state as it was. */
  update(state: DefinedState<Held>, tile: StatisticTile): Promise<void> | void;
  /** Adds what `from` has seen; `tokens` of both are still those of before. */
  merge(into: DefinedState<Held>, from: DefinedState<Held>): Promise<void> | void;
  /** What a state holds as bytes, little-endian; equal states have equal bytes. */
  serialise(state: DefinedState<Held>): Uint8Array;
  /** What `serialise` wrote. @throws EsparseError `protocol` (see `damagedState`) for what it cannot have written */
  deserialise(bytes: Uint8Array, channels: number, tokens: number): Held;
  /**
   * Begins a state in a GPU's memory, for tiles that are there: what it gives in the end is the same, to the bit.
   * @default none: tiles are brought to the host
   */
  onDevice?(device: StatisticDevice, channels: number): DeviceFold<Held>;
  /**
   * What a state holds, of so many rows, read from the memory of a device, where `DeviceFold.shares` told. @default states travel as bytes
   */
  takeOver?(
    device: StatisticDevice,
    addresses: readonly number[],
    channels: number,
    tokens: number,
  ): Promise<Held>;
  /** Frees the memory of a state at once. @default the garbage collector does */
  dispose?(state: DefinedState<Held>): void;
  /**
   * What it takes, for `esparse plan`: `bytes` of one state of a tap, `flops` and `seconds` of one sequence.
   *
   * @default not known: the plan says that it leaves this statistic out
   */
  cost?(tap: TapShape): Cost;
}

/**
 * Defines a statistic by its arithmetic: names are checked, tiles and states are refused where they do not fit, tokens are
 * counted, `update` and `merge` of one state never overlap, and bytes get their header.
 *
 * The law is left to its author: any order of rows, and any cut into tiles, shards and merges, must give the same bytes.
 *
 * @throws EsparseError 'usage' for a name or version that no plug-in may have
 */
export function defineStatistic<Held extends object>(
  definition: StatisticDefinition<Held>,
): Statistic<DefinedState<Held>, unknown> {
  const {
    name,
    version = 1,
    parameters = {},
    needsDense = false,
    maxRows = MAX_ROWS,
    dispose,
    cost,
    onDevice,
    takeOver,
  } = definition;
  const maxTokens = definition.maxTokens ?? Number.MAX_SAFE_INTEGER;
  checkPlugin('statistic', name, version);
  const identity = { name, version, parameters };
  const stateOf = (channels: number, tokens: number, held: Held): DefinedState<Held> =>
    Object.assign(held, { channels, tokens, parameters });
  /** The same with the tokens counted. */
  const folding = (device: StatisticDevice, channels: number): DeviceFold<DefinedState<Held>> => {
    checkChannels(name, channels);
    const fold = onDevice!(device, channels);
    let tokens = 0;
    return {
      update(tile) {
        fold.update(tile);
        tokens += tile.rows;
      },
      finish: () => stateOf(channels, tokens, fold.finish()),
      ...(fold.check && {
        check: () => {
          fold.check!();
        },
      }),
      ...(fold.shares && { shares: () => fold.shares!() }),
      release: () => {
        fold.release();
      },
    };
  };
  const takingOver: Statistic<DefinedState<Held>, unknown>['takeOver'] = async (
    device,
    addresses,
    channels,
    tokens,
  ) => {
    checkChannels(name, channels);
    return stateOf(channels, tokens, await takeOver!(device, addresses, channels, tokens));
  };
  return {
    ...identity,
    needsDense,
    create(channels) {
      checkChannels(name, channels);
      return stateOf(channels, 0, definition.create(channels));
    },
    async update(state, tile) {
      checkTile(name, state, tile, maxRows);
      await withLock([state], async () => {
        await definition.update(state, tile);
        state.tokens += tile.rows;
      });
    },
    async merge(into, from) {
      checkAlike(name, into, from);
      await withLock([into, from], async () => {
        await definition.merge(into, from);
        into.tokens += from.tokens;
      });
    },
    serialise(state) {
      checkUnlocked(name, state);
      return seal(identity, state, definition.serialise(state));
    },
    deserialise(bytes, expected) {
      const { channels, tokens, body } = open(identity, bytes, maxTokens, expected);
      return stateOf(channels, tokens, definition.deserialise(body, channels, tokens));
    },
    ...(onDevice === undefined ? {} : { onDevice: folding }),
    ...(takeOver === undefined ? {} : { takeOver: takingOver }),
    ...(dispose === undefined ? {} : { dispose }),
    ...(cost === undefined ? {} : { cost }),
  };
}
