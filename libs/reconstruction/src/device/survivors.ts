import type { StatisticDevice } from '@esparse/statistics';
import { notPositive } from '../not-positive.ts';
import { preconditioner, type SurvivorsOptions, type SurvivorsProblem } from '../survivors.ts';
import { halfProducts } from './half-products.ts';
import { byElements, byRows, type Room } from './room.ts';
import type { DeviceRows } from './rows.ts';

/** Steps between two looks at what is solved: a solved row takes no more of them, so the outcome does not depend on it. */
const STEPS_AT_ONCE = 8;

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
  const doubles = () => room.doubles(rows);
  const [energy, goal, reach, units, failed] = [
    doubles(),
    doubles(),
    doubles(),
    room.bytes(4 * rows),
    room.bytes(4),
  ];
  const [residual, image] = scratch;
  const progress = [{ pointer: energy }, { pointer: goal }, { pointer: reach }, { pointer: units }];
  const numbers = async (address: number, count: number) => {
    const values = new Float64Array(count);
    await device.downloadLater(address, values);
    return values;
  };
  const step = () => {
    products.multiply(parts, image);
    device.launch('survivors_step', byRows(rows, cols), [
      ...[{ pointer: image }, { pointer: kept }, scales, lift, { double: damping }, { pointer: solution }],
      ...[{ pointer: residual }, { pointer: parts }, ...progress, { pointer: failed }],
      ...[{ int: cols }, { int: padded }],
    ]);
  };
  return async (start, { steps = 64, tolerance = 1e-3, count, signal }) => {
    device.fill(failed, 0, 4);
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
    const flag = new Int32Array(1);
    const energies = async () => {
      const [energies] = await Promise.all([numbers(energy, count), device.downloadLater(failed, flag)]);
      if (flag[0] !== 0) throw notPositive();
      return energies;
    };
    const goals = await numbers(goal, count);
    for (let done = 0; done < steps; done += STEPS_AT_ONCE) {
      if ((await energies()).every((value, r) => value <= goals[r]!)) return;
      // Whoever wants to stop is heard.
      signal?.throwIfAborted();
      for (let i = done; i < Math.min(steps, done + STEPS_AT_ONCE); i++) step();
    }
    await energies();
  };
}
