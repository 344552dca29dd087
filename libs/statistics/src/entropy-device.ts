import { ENTROPY_WORDS, entropyHistograms, type EntropyHistograms } from '@esparse/kernels';
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
import { histogramPlaces } from './histogram-places.ts';

/** Channels that a block of threads counts, and its threads. */
const CHANNELS_AT_ONCE = 8;
const THREADS = 1024;
/** Histograms of each channel on a GPU, on the same grid. */
export function entropyOnDevice(
  device: StatisticDevice,
  channels: number,
): DeviceFold<{ readonly histograms: EntropyHistograms }> {
  device.load('statistics');
  const arrays = deviceArrays(device);
  const ofTile = arrays.zeros(8 * channels);
  const places = histogramPlaces(channels);
  const base = arrays.zeros(places.bytes);
  const [ranges, zeros, bins] = [base + places.ranges, base + places.zeros, base + places.bins];
  const refusal = arrays.refusal();
  let counted = 0;
  const requireFinite = () => {
    const refused = refusedOf(device, refusal);
    if (refused !== undefined) throw tooLargeChannel('entropy', refused, 'it is not finite');
  };
  return {
    update(tile) {
      const { rows } = tile;
      const given = [...tileArguments(tile), { int: rows }, { int: channels }, { pointer: ofTile }];
      device.launch('entropy_begin', byChannels(channels), [{ pointer: ofTile }, { int: channels }]);
      device.launch('entropy_ranges', byColumns(tile), [...given, { pointer: zeros }]);
      const how = {
        grid: [channels / CHANNELS_AT_ONCE] as const,
        threads: THREADS,
        shared: 4 * ENTROPY_WORDS * CHANNELS_AT_ONCE,
      };
      device.launch('entropy_count', how, [
        ...given,
        ...[{ pointer: ranges }, { pointer: bins }, { int: counted > 0 ? 1 : 0 }, { pointer: refusal }],
      ]);
      counted += rows;
    },
    finish() {
      requireFinite();
      const histograms = entropyHistograms(channels);
      if (counted === 0) return { histograms };
      device.download(ranges, histograms.ranges);
      device.download(zeros, histograms.zeros);
      device.download(bins, histograms.bins);
      histograms.counted = counted;
      return { histograms };
    },
    check: requireFinite,
    shares: () => [base],
    release: arrays.release,
  };
}
