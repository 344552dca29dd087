import { deviceArrays, type StatisticDevice } from '@esparse/statistics';
import type { Pattern } from '../../pattern.ts';
import type { DeviceScores } from '../../shuffle.ts';

/** Threads of a block of the kernels: each adds up a channel, or they find what the groups of a row keep. */
const CHANNELS_AT_ONCE = 32;
const GROUPS_AT_ONCE = 256;

/** `channelMeans` of @esparse/kernels, to the bit. */
export async function channelMeansOn({ device, address, rows, cols }: DeviceScores): Promise<Float64Array> {
  return found(device, cols, (means) => {
    const how = { grid: [Math.ceil(cols / CHANNELS_AT_ONCE)], threads: CHANNELS_AT_ONCE } as const;
    device.launch('scores_means', how, [
      ...[{ pointer: address }, { pointer: means }, { int: rows }, { int: cols }],
    ]);
  });
}

/** `keptScore` of @esparse/kernels, to the bit. */
export async function keptScoreOn(
  { device, address, rows, cols }: DeviceScores,
  order: Int32Array,
  { keep, group }: Pattern,
): Promise<number> {
  const arrays = deviceArrays(device);
  try {
    const channels = arrays.of(order);
    const kept = await found(device, rows, (sums) => {
      device.launch('scores_kept', { grid: [rows], threads: GROUPS_AT_ONCE }, [
        ...[{ pointer: address }, { pointer: channels }, { pointer: sums }],
        ...[{ int: cols }, { int: keep }, { int: group }],
      ]);
    });
    return kept.reduce((sum, value) => sum + value, 0);
  } finally {
    arrays.release();
  }
}

/** Numbers in f64 that some work puts to an address. */
async function found(
  device: StatisticDevice,
  count: number,
  work: (address: number) => void,
): Promise<Float64Array> {
  const arrays = deviceArrays(device);
  try {
    const numbers = new Float64Array(count);
    const address = arrays.bytes(numbers.byteLength);
    device.load('solve');
    work(address);
    await device.downloadLater(address, numbers);
    return numbers;
  } finally {
    arrays.release();
  }
}
