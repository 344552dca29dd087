import type { StatisticDevice } from '@esparse/statistics';
import { notPositive } from '../not-positive.ts';
import { preconditioner, type SurvivorsOptions, type SurvivorsProblem } from '../survivors.ts';
import { halfProducts } from './half-products.ts';
import { byElements, byRows, type Room } from './room.ts';
import type { DeviceRows } from './rows.ts';

/**
 * Steps between two looks at what is solved: a solved row takes no more of them, so the outcome does not depend on it. While the host
 * looks, the device takes as many.
 */
const STEPS_AT_ONCE = 4;
/**
 * Share of the steps that rows took which the next ones are asked for before the host first looks, and the most: a device that has work for
 * a while need not wait for a host that is busy with another one.
 */
const [SHARE_AHEAD, MOST_AHEAD] = [3 / 4, 64];

/** What rows of a linear are solved with. */
export interface SurvivorsSystem extends Pick<SurvivorsProblem, 'hessian' | 'damping'> {
  /** Where H lies in the device's memory. */
  readonly matrix: number;
}

/** Puts the weights of some rows' survivors where their solution belongs, from `start` on, which may be that itself. */
export type SolveRows = (
  start: number,
  options: Omit<SurvivorsOptions, 'start'> & {
    /** Rows that count. */
    readonly count: number;
  },
) => Promise<void>;

/**
 * `solveSurvivors` on a device, of one group of rows after the other.
 *
 * @throws EsparseError 'numeric' where the diagonal of H is not positive
 */
export function survivorsOnDevice(
  device: StatisticDevice,
  { hessian, damping, matrix }: SurvivorsSystem,
  at: DeviceRows,
  room: Room,
): SolveRows {
  const { rows, cols, weights, kept, solution, scratch } = at;
  const scale = preconditioner({ cols, hessian, damping });
  const scales = { pointer: room.of(scale) };
  const products = halfProducts(device, { matrix, rows, cols, scale }, room);
  const { padded } = products;
  const lift = { pointer: products.lift };
  const parts = room.bytes(2 * 2 * rows * padded);
  device.fill(parts, 0, 2 * 2 * rows * padded);
  // What the host looks at, in one piece: what each row's energy is to fall to, its energy, and whether one failed.
  const seen = new Float64Array(2 * rows + 1);
  const goal = room.bytes(seen.byteLength);
  const [energy, failed] = [goal + 8 * rows, goal + 16 * rows];
  const [reach, units] = [room.doubles(rows), room.bytes(4 * rows)];
  const [residual, image] = scratch;
  const progress = [{ pointer: energy }, { pointer: goal }, { pointer: reach }, { pointer: units }];
  const step = () => {
    products.multiply(parts, image);
    device.launch('survivors_step', byRows(rows, cols), [
      ...[{ pointer: image }, { pointer: kept }, scales, lift, { double: damping }, { pointer: solution }],
      ...[{ pointer: residual }, { pointer: parts }, ...progress, { pointer: failed }],
      ...[{ int: cols }, { int: padded }],
    ]);
  };
  const someSteps = room.repeated(() => {
    for (let i = 0; i < STEPS_AT_ONCE; i++) step();
  });
  const areSolved = async (count: number): Promise<boolean> => {
    await device.downloadLater(goal, seen);
    if (seen[2 * rows] !== 0) throw notPositive();
    return seen.subarray(rows, rows + count).every((value, r) => value <= seen[r]!);
  };
  /** Steps that the last rows took, by where they began. */
  const taken = new Map<number, number>();
  return async (start, { steps = 64, tolerance = 1e-3, count, signal }) => {
    device.fill(failed, 0, 8);
    device.launch('survivors_begin', byElements(rows * cols), [
      ...[{ pointer: weights }, { pointer: start }, { pointer: kept }],
      ...[{ pointer: solution }, { pointer: residual }, { long: rows * cols }],
    ]);
    device.multiply({
      ...{ m: rows, n: cols, k: cols, left: residual, right: matrix, out: image },
      ...{ inputs: 'f32', outputs: 'f32' },
    });
    device.launch('survivors_residual', byRows(rows, cols), [
      ...[{ pointer: image }, { pointer: weights }, { pointer: kept }, { pointer: at.shift }, scales, lift],
      ...[{ double: damping }, { double: tolerance }, { pointer: residual }, { pointer: parts }],
      ...[...progress, { int: cols }, { int: padded }],
    ]);
    let asked = 0;
    const askForMore = () => {
      if (steps - asked >= STEPS_AT_ONCE) someSteps();
      else for (let i = asked; i < steps; i++) step();
      asked = Math.min(steps, asked + STEPS_AT_ONCE);
    };
    const ahead = Math.min(steps, MOST_AHEAD, SHARE_AHEAD * (taken.get(start) ?? 0));
    do askForMore();
    while (asked + STEPS_AT_ONCE <= ahead);
    for (;;) {
      const here = asked;
      const solved = areSolved(count);
      solved.catch(() => undefined); // told below, or by what fails before
      askForMore();
      taken.set(start, here);
      if ((await solved) || here === steps) return;
      // Whoever wants to stop is heard.
      signal?.throwIfAborted();
    }
  };
}
