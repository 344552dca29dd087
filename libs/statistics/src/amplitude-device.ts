import { AMPLITUDE_DIGITS } from '@esparse/kernels';
import { tooLargeChannel } from './checks.ts';
import {
  byChannels,
  byColumns,
  deviceArrays,
  refusedOf,
  tileArguments,
  type DeviceFold,
  type StatisticDevice,
} from './device.ts';

/** Σx² per channel on a GPU, by the same digits. */
export function amplitudeOnDevice(
  device: StatisticDevice,
  channels: number,
  limit: string,
): DeviceFold<{ readonly digits: Float64Array }> {
  device.load('statistics');
  const arrays = deviceArrays(device);
  const bytes = 8 * AMPLITUDE_DIGITS * channels;
  const [sums, ofTile, refusal] = [arrays.zeros(bytes), arrays.zeros(bytes), arrays.refusal()];
  return {
    update(tile) {
      device.launch('amplitude_update', byColumns(tile), [
        ...tileArguments(tile),
        ...[{ int: tile.rows }, { int: channels }, { pointer: ofTile }],
      ]);
      device.launch('amplitude_merge', byChannels(channels), [
        ...[{ pointer: sums }, { pointer: ofTile }, { int: channels }, { pointer: refusal }],
      ]);
    },
    finish() {
      const refused = refusedOf(device, refusal);
      if (refused !== undefined) throw tooLargeChannel('amplitude', refused, limit);
      const digits = new Float64Array(AMPLITUDE_DIGITS * channels);
      device.download(sums, digits);
      return { digits };
    },
    release: arrays.release,
  };
}
