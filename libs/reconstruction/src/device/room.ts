import { EsparseError } from '@esparse/errors';
import {
  deviceArrays,
  lacksDeviceMemory,
  repeated,
  type RepeatedWork,
  type StatisticDevice,
} from '@esparse/statistics';

/** Threads of a block of the kernels. */
export const THREADS = 256;

/** Arrays in a device's memory that go back together, and what is recorded with them. */
export interface Room {
  /** Memory with anything in it: its address. */
  bytes(count: number): number;
  floats(count: number): number;
  doubles(count: number): number;
  /** A copy of an array. */
  of(values: ArrayBufferView): number;
  /** Work with these arrays that is asked for again and again: see `repeated`. */
  repeated(work: () => void): () => void;
}

/**
 * Works with a device's memory, which goes back afterwards: what was asked for may still use it.
 *
 * @param what it is for, in the message
 * @throws EsparseError 'unsupported' where the device has no room: that does not change when it is tried again
 */
export async function withRoom<R>(
  device: StatisticDevice,
  what: string,
  work: (room: Room) => Promise<R>,
): Promise<R> {
  const arrays = deviceArrays(device);
  const recordings: RepeatedWork[] = [];
  let bytes = 0;
  const take = (count: number): number => {
    bytes += count;
    return arrays.bytes(count);
  };
  const room: Room = {
    bytes: take,
    floats: (count) => take(4 * count),
    doubles: (count) => take(8 * count),
    of(values) {
      bytes += values.byteLength;
      return arrays.of(values);
    },
    repeated(work) {
      const again = repeated(device, work);
      recordings.push(again);
      return again.run;
    },
  };
  try {
    return await work(room);
  } catch (error) {
    if (!lacksDeviceMemory(error)) throw error;
    throw new EsparseError(
      'unsupported',
      `${what} takes more of the GPU's memory than is free: ${(bytes / 2 ** 30).toFixed(1)} GiB at least`,
      { hint: 'choose --solver cpu, or a GPU with more memory', cause: error },
    );
  } finally {
    for (const recording of recordings) recording.release();
    arrays.release();
  }
}

/** How a kernel is launched that has a thread for each of so many elements. */
export function byElements(count: number) {
  return { grid: [Math.ceil(count / THREADS)] as const, threads: THREADS };
}

/** How one is launched that has a thread for each element of rows. */
export function byRowElements(rows: number, cols: number) {
  return { grid: [Math.ceil(cols / THREADS), rows] as const, threads: THREADS };
}

/** How one is launched that has a block of threads, whole warps, for each of so many rows. */
export function byRows(rows: number, cols: number) {
  return { grid: [rows] as const, threads: Math.min(THREADS, WARP * Math.ceil(cols / WARP)) };
}

const WARP = 32;
