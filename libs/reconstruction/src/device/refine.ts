import { setImmediate } from 'node:timers/promises';
import type { Pattern } from '@esparse/sparsity';
import type { StatisticDevice } from '@esparse/statistics';
import { notPositive } from '../not-positive.ts';
import { groupChoices } from '../group-choices.ts';
import { blockWidth, type RefineOptions } from '../refine-mask.ts';
import { byElements, byRowElements, THREADS, type Room } from './room.ts';
import type { DeviceRows } from './rows.ts';

/** Rows of a block of threads of `descent_step`. */
const DESCENT_ROWS = 8;

/** What groups of rows descend on. */
export interface DescentSystem {
  /** Where H lies in the device's memory. */
  readonly matrix: number;
  readonly damping: number;
  readonly pattern: Pattern;
  /** Where the permutation lies there: (cols). */
  readonly channels: number;
}

/** Chooses the masks of some rows anew, whose solution changes. */
export type DescendRows = (options: RefineOptions) => Promise<void>;

/**
 * `refineMask` on a device, of one group of rows after the other.
 *
 * @returns undefined where the pattern keeps its mask, see `groupChoices`
 * @throws EsparseError 'numeric' where H is not positive
 */
export async function refineOnDevice(
  device: StatisticDevice,
  { matrix, damping, pattern: { keep, group }, channels }: DescentSystem,
  { rows, cols, weights, shift, solution, scratch }: DeviceRows,
  room: Room,
): Promise<DescendRows | undefined> {
  const choices = groupChoices({ keep, group });
  if (choices === undefined) return undefined;
  const places = { pointer: room.of(Int32Array.from(choices.flatMap((choice) => [...choice]))) };
  const all = (cols / group) * choices.length;
  const inverses = room.doubles(all * keep ** 2);
  const failed = room.of(new Int32Array(1));
  device.launch('descent_inverses', byElements(all), [
    ...[{ pointer: matrix }, { pointer: channels }, places, { double: damping }, { pointer: inverses }],
    ...[{ int: cols }, { int: keep }, { int: group }, { int: choices.length }, { pointer: failed }],
  ]);
  const flag = new Int32Array(1);
  await device.downloadLater(failed, flag);
  if (flag[0] !== 0) throw notPositive();
  const most = Math.min(blockWidth(group), cols);
  const [step, blockRows, square] = [
    room.floats(rows * most),
    room.floats(most * cols),
    room.floats(most * most),
  ];
  const [difference, gradient] = scratch;
  const size = rows * cols;
  const descend = (first: number) => {
    const width = Math.min(most, cols - first);
    const own = { pointer: channels + 4 * first };
    device.launch('descent_rows', byRowElements(width, cols), [
      ...[{ pointer: matrix }, own, { float: damping }, { pointer: blockRows }, { pointer: square }],
      ...[{ int: cols }, { int: width }],
    ]);
    const how = {
      grid: [Math.ceil(rows / DESCENT_ROWS)] as const,
      threads: THREADS,
      shared: 4 * width * (width + 2 * DESCENT_ROWS),
    };
    device.launch('descent_step', how, [
      ...[{ pointer: solution }, { pointer: gradient }, { pointer: step }, own, { pointer: square }, places],
      ...[{ pointer: inverses + 8 * (first / group) * choices.length * keep ** 2 }],
      ...[{ int: rows }, { int: cols }, { int: width }, { int: keep }, { int: group }],
      { int: choices.length },
    ]);
    device.multiply({
      ...{ m: rows, n: cols, k: width, left: step, right: blockRows, out: gradient, beta: 1 },
      ...{ inputs: 'f32', outputs: 'f32' },
    });
  };
  const sweepOver = room.repeated(() => {
    for (let first = 0; first < cols; first += most) descend(first);
  });
  return async ({ sweeps, signal }) => {
    device.launch('descent_difference', byElements(size), [
      ...[{ pointer: solution }, { pointer: weights }, { pointer: difference }, { long: size }],
    ]);
    device.multiply({
      ...{ m: rows, n: cols, k: cols, left: difference, right: matrix, out: gradient },
      ...{ inputs: 'f32', outputs: 'f32' },
    });
    device.launch('descent_gradient', byElements(size), [
      ...[{ pointer: gradient }, { pointer: difference }, { pointer: shift }],
      ...[{ double: damping }, { long: size }],
    ]);
    for (let sweep = 0; sweep < sweeps; sweep++) {
      sweepOver();
      await setImmediate();
      signal?.throwIfAborted();
    }
  };
}
