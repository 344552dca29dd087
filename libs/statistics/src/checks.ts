import { EsparseError } from '@esparse/errors';
import type { StatisticParameters, StatisticState, StatisticTile } from './statistic.ts';

/** Most channels of a tap: twice the widest feed-forward layer in use, and it bounds what hostile bytes allocate. */
export const MAX_CHANNELS = 2 ** 16;

/** Refuses a number of channels that no tap has. */
export function checkChannels(statistic: string, channels: number): void {
  if (Number.isInteger(channels) && channels >= 1 && channels <= MAX_CHANNELS) return;
  throw new EsparseError('unsupported', `${statistic}: ${channels} channels, expected 1 to ${MAX_CHANNELS}`);
}

/** Refuses a tile that contradicts itself or the state that it is meant for. */
export function checkTile(
  statistic: string,
  state: StatisticState,
  tile: StatisticTile,
  maxRows: number,
): void {
  const { data, rows, channels } = tile;
  if (channels !== state.channels) {
    throw new EsparseError(
      'protocol',
      `${statistic}: a tile of ${channels} channels for a tap of ${state.channels}`,
    );
  }
  if (tile.dense !== undefined && tile.dense.length !== data.length) {
    throw new EsparseError(
      'protocol',
      `${statistic}: ${tile.dense.length} values of the dense model beside ${data.length}`,
    );
  }
  if (!Number.isInteger(rows) || rows < 0 || rows > maxRows || data.length !== rows * channels) {
    throw new EsparseError(
      'protocol',
      `${statistic}: a tile of ${rows} rows and ${channels} channels has ${data.length} values`,
      { hint: `send rows x channels values, and at most ${maxRows} rows in a tile` },
    );
  }
}

/** The error for a channel that a kernel refused: says which value, where it can be found. */
export function refusedChannel(
  statistic: string,
  tile: StatisticTile,
  channel: number,
  limit: string,
): EsparseError {
  const { data, rows, channels } = tile;
  for (let row = 0; row < rows; row++) {
    const value = data[row * channels + channel]!;
    if (Number.isFinite(value)) continue;
    return new EsparseError(
      'numeric',
      `${statistic}: channel ${channel} is ${value} at row ${row} of a tile`,
      {
        hint: 'the model overflows on this text: check its weights and dtype, or calibrate on another text',
        context: { statistic, channel, row },
      },
    );
  }
  return tooLargeChannel(statistic, channel, limit);
}

/** The error for a channel whose value is not at hand. */
export function tooLargeChannel(statistic: string, channel: number, limit: string): EsparseError {
  return new EsparseError('numeric', `${statistic}: channel ${channel} is too large: ${limit}`, {
    hint: 'the activations are far beyond those of a sound model: check its weights and dtype',
    context: { statistic, channel },
  });
}

/** Refuses to merge states of different taps or parameters. */
export function checkAlike(statistic: string, into: StatisticState, from: StatisticState): void {
  if (into === from) throw new EsparseError('internal', `${statistic}: a state cannot be merged with itself`);
  if (into.channels !== from.channels) {
    throw new EsparseError(
      'protocol',
      `${statistic}: ${from.channels} channels cannot merge with ${into.channels}`,
    );
  }
  if (!sameParameters(into.parameters, from.parameters)) {
    throw new EsparseError(
      'protocol',
      `${statistic}: parameters ${JSON.stringify(from.parameters)} cannot merge with ${JSON.stringify(into.parameters)}`,
      { hint: 'run the same version and options everywhere' },
    );
  }
}

/** True where both have the same names with the same values. */
export function sameParameters(a: StatisticParameters, b: StatisticParameters): boolean {
  const names = Object.keys(a);
  return (
    names.length === Object.keys(b).length &&
    names.every((name) => Object.hasOwn(b, name) && a[name] === b[name])
  );
}
