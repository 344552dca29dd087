import {
  deviceArrays,
  tileArguments,
  type DeviceFold,
  type DeviceTile,
  type StatisticDevice,
} from './device.ts';
import { insertRow, lastDraw, SAMPLE_ROWS, type Sample } from './drawn-rows.ts';

/** Rows that are drawn at once: their numbers are brought to the host, which says what rows it wants. */
const ROWS_AT_ONCE = 4096;
const THREADS = 128;

/**
 * The sample of a tap's rows on a GPU, by the same numbers: 4 bytes of each row come to the host, and of the rows themselves
 * those that enter the sample.
 */
export function rowSampleOnDevice(device: StatisticDevice, channels: number): DeviceFold<Sample> {
  device.load('statistics');
  const arrays = deviceArrays(device);
  const numbers = arrays.zeros(4 * ROWS_AT_ONCE);
  const sample: Sample = { drawn: [] };
  return {
    update(tile) {
      for (let first = 0; first < tile.rows; first += ROWS_AT_ONCE) {
        const draws = new Uint32Array(Math.min(ROWS_AT_ONCE, tile.rows - first));
        device.launch('row_draws', { grid: [Math.ceil(draws.length / THREADS)], threads: THREADS }, [
          ...tileArguments(tile),
          ...[{ int: first }, { int: draws.length }, { int: channels }, { pointer: numbers }],
        ]);
        device.download(numbers, draws);
        for (const row of wanted(draws, lastDraw(sample))) {
          insertRow(sample, { draw: draws[row]!, values: rowOf(device, tile, first + row) });
        }
      }
    },
    finish: () => sample,
    release: arrays.release,
  };
}

/** The rows that may enter a sample: those of the least numbers, and all that drew the same as the last of these. */
function wanted(draws: Uint32Array, last: number): number[] {
  const rows: number[] = [];
  // Once the sample is full few are left, and the GPU waits for them.
  for (let row = 0; row < draws.length; row++) if (draws[row]! <= last) rows.push(row);
  if (rows.length <= SAMPLE_ROWS) return rows;
  const most = Uint32Array.from(rows, (row) => draws[row]!).sort()[SAMPLE_ROWS - 1]!;
  return rows.filter((row) => draws[row]! <= most);
}

/** A row in f32. */
function rowOf(device: StatisticDevice, { address, type, channels }: DeviceTile, row: number): Float32Array {
  if (type === 'f32') {
    const values = new Float32Array(channels);
    device.download(address + 4 * row * channels, values);
    return values;
  }
  const halves = new Uint16Array(channels);
  device.download(address + 2 * row * channels, halves);
  const words = new Uint32Array(channels);
  for (let c = 0; c < channels; c++) words[c] = halves[c]! << 16;
  return new Float32Array(words.buffer);
}
