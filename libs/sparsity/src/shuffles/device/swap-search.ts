import type { SwapSearch } from '@esparse/kernels';
import type { DeviceScores } from '../../shuffle.ts';
import { deviceArrays, lacksDeviceMemory, repeated, type StatisticDevice } from '@esparse/statistics';

/** As `kSwapWidth` and `kPartialRows` in libs/cuda/kernels/solve/swap_search.cuh. */
const WIDTH = 256;
const PARTIAL_ROWS = 64;
const WARPS = 8;

/** Swaps that are asked for before the host looks whether any block goes on. */
const SWAPS_AT_ONCE = 16;

/** Bytes of a device's memory that the search takes. */
export function swapSearchBytes(
  { rows, cols }: { readonly rows: number; readonly cols: number },
  group: number,
): number {
  const blocks = Math.ceil(cols / (WIDTH - (WIDTH % group)));
  const [panel, d] = [4 * blocks * rows * WIDTH, 8 * blocks * WIDTH * WIDTH];
  const parts = 4 * blocks * Math.ceil(rows / PARTIAL_ROWS) * 2 * group * WIDTH;
  return 4 * rows * cols + panel + d + parts + 32 * blocks * WIDTH;
}

/**
 * The search of `swapSearch` on an NVIDIA GPU: the same order, since every sum is made of the same numbers in the same order.
 * Undefined where the device has no room: then the processor finds it.
 */
export function swapSearchOn(device: StatisticDevice): SwapSearch {
  return async (problem, signal) => {
    const { scores, rows, cols } = problem;
    const arrays = deviceArrays(device);
    try {
      return await searchSwaps({ device, address: arrays.of(scores), rows, cols }, problem, signal);
    } catch (error) {
      if (!lacksDeviceMemory(error)) throw error;
      return undefined;
    } finally {
      arrays.release();
    }
  };
}

/** The search, of scores that are in a device's memory. @throws EsparseError 'unavailable' where it has no room */
export async function searchSwaps(
  scores: DeviceScores,
  problem: Omit<Parameters<SwapSearch>[0], 'scores'>,
  signal: AbortSignal | undefined,
): Promise<number> {
  const arrays = deviceArrays(scores.device);
  try {
    return await search(scores, arrays, problem, signal);
  } finally {
    arrays.release();
  }
}

async function search(
  { device, address, rows, cols }: DeviceScores,
  arrays: ReturnType<typeof deviceArrays>,
  problem: Omit<Parameters<SwapSearch>[0], 'scores'>,
  signal: AbortSignal | undefined,
): Promise<number> {
  const { permutation, keep, group, blockSize, tolerance, maxSwaps, out } = problem;
  const blocks = Math.ceil(cols / blockSize);
  const chunks = Math.ceil(rows / PARTIAL_ROWS);
  const allocate = (bytes: number) => ({ pointer: arrays.bytes(bytes) });
  const upload = (array: Int32Array) => ({ pointer: arrays.of(array) });
  device.load('solve');
  const panel = allocate(4 * blocks * rows * WIDTH);
  device.launch('swap_panel', { grid: [rows, blocks], threads: WIDTH }, [
    ...[{ pointer: address }, upload(permutation), panel, { int: cols }, { int: blockSize }],
  ]);
  const slots = upload(Int32Array.from({ length: blocks * WIDTH }, (_, i) => i % WIDTH));
  const touched = upload(new Int32Array(2 * blocks));
  const active = upload(new Int32Array(blocks).fill(1));
  const swaps = upload(new Int32Array(blocks));
  const parts = allocate(4 * blocks * chunks * 2 * group * WIDTH);
  const d = allocate(8 * blocks * WIDTH * WIDTH);
  const gains = allocate(8 * blocks * WIDTH);
  const partners = allocate(4 * blocks * WIDTH);
  const shape = [{ int: cols }, { int: blockSize }] as const;
  /** D of two groups: from this one on, or, below 0, those that were touched. */
  const measure = (first: number) => {
    device.launch('swap_measure', { grid: [chunks, blocks], threads: WIDTH }, [
      ...[panel, slots, touched, active, parts, { int: first }, { int: rows }, ...shape],
      ...[{ int: keep }, { int: group }],
    ]);
    device.launch('swap_sum', { grid: [2 * group, blocks], threads: WIDTH }, [
      ...[parts, touched, active, d, { int: first }, { int: chunks }, ...shape, { int: group }],
    ]);
  };
  const findPartners = (all: boolean) => {
    device.launch('swap_partners', { grid: [WIDTH / WARPS, blocks], threads: 32 * WARPS }, [
      ...[d, slots, touched, active, gains, partners, { int: all ? 1 : 0 }, ...shape, { int: group }],
    ]);
  };
  for (let first = 0; first < blockSize / group; first += 2) measure(first);
  findPartners(true);
  const goesOn = new Int32Array(blocks).fill(1);
  const swap = () => {
    for (let i = 0; i < SWAPS_AT_ONCE; i++) {
      device.launch('swap_choose', { grid: [blocks], threads: WIDTH }, [
        ...[d, gains, partners, slots, touched, active, swaps, { double: tolerance }, { int: maxSwaps }],
        ...[...shape, { int: group }],
      ]);
      measure(-1);
      findPartners(false);
    }
  };
  const more = () => goesOn.some((is) => is !== 0);
  const again = repeated(device, swap);
  try {
    for (let made = 0; made <= maxSwaps && more(); made += SWAPS_AT_ONCE) {
      again.run();
      await device.downloadLater(active.pointer, goesOn);
      if (signal?.aborted === true) return 0;
    }
  } finally {
    again.release();
  }
  const found = new Int32Array(blocks * WIDTH);
  await device.downloadLater(slots.pointer, found);
  for (let i = 0; i < cols; i++) {
    const first = i - (i % blockSize);
    out[i] = permutation[first + found[(first / blockSize) * WIDTH + (i % blockSize)]!]!;
  }
  const counts = new Int32Array(blocks);
  await device.downloadLater(swaps.pointer, counts);
  return counts.reduce((sum, count) => sum + count, 0);
}
