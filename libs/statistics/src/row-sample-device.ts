import {
  deviceArrays,
  tileArguments,
  type DeviceFold,
  type DeviceMemory,
  type StatisticDevice,
} from './device.ts';
import { SAMPLE_ROWS, type Sample } from './drawn-rows.ts';

/** Threads of a block that draws for rows, and of the one that takes them in. */
const THREADS = 128;
const SAMPLE_THREADS = 256;

/** Bytes of `HeldRows` in libs/cuda/kernels/statistics/row_sample.cuh: a count, what rows drew, where their values lie. */
const HELD_WORDS = 1 + 2 * SAMPLE_ROWS;

/** The sample of a tap's rows in the memory of a GPU, by the same numbers: nothing of it comes to the host before it is finished. */
export function rowSampleOnDevice(device: StatisticDevice, channels: number): DeviceFold<Sample> {
  device.load('statistics');
  const arrays = deviceArrays(device);
  const held = { pointer: arrays.zeros(4 * HELD_WORDS) };
  const values = { pointer: arrays.bytes(4 * SAMPLE_ROWS * channels) };
  const finish = (): Sample => {
    const words = new Uint32Array(HELD_WORDS);
    const rows = new Float32Array(SAMPLE_ROWS * channels);
    device.download(held.pointer, words);
    device.download(values.pointer, rows);
    const drawn = Array.from({ length: words[0]! }, (_, i) => {
      const first = words[1 + SAMPLE_ROWS + i]! * channels;
      return { draw: words[1 + i]!, values: rows.slice(first, first + channels) };
    });
    return { drawn };
  };
  return {
    update(tile) {
      const { rows } = tile;
      const room: DeviceMemory[] = [];
      const take = () => {
        const memory = device.allocate(4 * rows);
        room.push(memory);
        return { pointer: memory.address };
      };
      try {
        const [draws, picked] = [take(), take()];
        device.launch('row_draws', { grid: [Math.ceil(rows / THREADS)], threads: THREADS }, [
          ...[...tileArguments(tile), { int: rows }, { int: channels }, draws],
        ]);
        device.launch('row_sample', { grid: [1], threads: SAMPLE_THREADS }, [
          ...[...tileArguments(tile), { int: rows }, { int: channels }],
          ...[draws, picked, held, values],
        ]);
      } finally {
        for (const memory of room) device.release(memory);
      }
    },
    finish,
    release: arrays.release,
  };
}
