import { ENTROPY_WORDS, entropyHistograms, free, type EntropyHistograms } from '@esparse/kernels';
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
import { downloadInParts } from './download-in-parts.ts';

/** Channels that a block of threads counts, and its threads. */
const CHANNELS_AT_ONCE = 8;
const THREADS = 1024;
/** What memory of a device begins at a multiple of. */
const ALIGNMENT = 256;

/** Where ranges, zeros and bins of so many channels lie: in one piece of memory, which another process opens at once. */
function placesOf(channels: number) {
  const behind = (place: number, bytes: number) => ALIGNMENT * Math.ceil((place + bytes) / ALIGNMENT);
  const zeros = behind(0, 8 * channels);
  const bins = behind(zeros, 4 * channels);
  return { ranges: 0, zeros, bins, bytes: bins + 4 * ENTROPY_WORDS * channels };
}

/** Histograms of each channel on a GPU, on the same grid. */
export function entropyOnDevice(
  device: StatisticDevice,
  channels: number,
): DeviceFold<{ readonly histograms: EntropyHistograms }> {
  device.load('statistics');
  const arrays = deviceArrays(device);
  const ofTile = arrays.zeros(8 * channels);
  const places = placesOf(channels);
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
    shares() {
      requireFinite();
      return [base];
    },
    release: arrays.release,
  };
}

/** States that are read from devices at once, at most: those of a block's taps. */
const MOST_SPARE = 8;

/** Memory of states that were read from a device, which is used again: to touch so much anew takes longer than to copy it. */
const spare: EntropyHistograms[] = [];
const reused = new WeakSet<Uint32Array>();

/** What such a state holds, of rows that were counted, read from a device's memory: see `DeviceFold.shares`. */
export async function entropyFromDevice(
  device: StatisticDevice,
  [base]: readonly number[],
  channels: number,
  tokens: number,
): Promise<{ readonly histograms: EntropyHistograms }> {
  const at = spare.findIndex((each) => each.zeros.length === channels);
  const histograms = at < 0 ? entropyHistograms(channels) : spare.splice(at, 1)[0]!;
  reused.add(histograms.bins);
  Object.assign(histograms, { waiting: 0, counted: tokens });
  const places = placesOf(channels);
  for (const part of ['ranges', 'zeros', 'bins'] as const)
    await downloadInParts(device, base! + places[part], histograms[part]);
  return { histograms };
}

/** Frees the memory of a state, or keeps it for the next one that is read from a device. */
export function freeHistograms(histograms: EntropyHistograms): void {
  if (reused.has(histograms.bins) && spare.length < MOST_SPARE) {
    spare.push(histograms);
    return;
  }
  free(histograms.bins);
  free(histograms.pending);
}
