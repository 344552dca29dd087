import { setImmediate } from 'node:timers/promises';
import type { StatisticDevice } from '@esparse/statistics';
import { notPositive } from '../not-positive.ts';
import { preconditioner, type SurvivorsOptions, type SurvivorsProblem } from '../survivors.ts';
import { productsWith, type Precision } from './precision.ts';
import { byElements, byRows, withRoom } from './room.ts';
import { rowParts, rowsTogether } from './row-parts.ts';

/** Steps between two looks at what is solved: a solved row takes no more of them, so the outcome does not depend on it. */
const STEPS_AT_ONCE = 8;

/** `solveSurvivors` on a device; `hessian` is where the matrix lies there. */
export async function survivorsOnDevice(
  device: StatisticDevice,
  problem: SurvivorsProblem,
  { start = problem.weights, steps = 64, tolerance = 1e-3, signal }: SurvivorsOptions,
  { hessian, precision }: { readonly hessian: number; readonly precision: Precision },
): Promise<Float32Array> {
  const { rows, cols, damping } = problem;
  const scale = preconditioner(problem);
  const out = new Float32Array(rows * cols);
  await withRoom(device, `solving for the weights of ${rows} x ${cols}`, async (room) => {
    const most = rowsTogether(rows);
    const size = most * cols;
    const [weights, kept, begin, shift] = [
      room.floats(size),
      room.floats(size),
      room.floats(size),
      room.floats(size),
    ];
    const [solution, residual, direction] = [room.floats(size), room.floats(size), room.floats(size)];
    const image = room.floats(size);
    const scales = room.of(scale);
    const [energy, goal, failed] = [room.doubles(most), room.doubles(most), room.bytes(4)];
    const numbers = (address: number, count: number) => {
      const values = new Float64Array(count);
      device.download(address, values);
      return values;
    };
    // The rows that fill up the last part survive nowhere.
    const times = productsWith(device, { matrix: hessian, size: cols, rows: most }, precision, room);
    for (const { count, of, place } of rowParts(device, problem)) {
      signal?.throwIfAborted();
      place(weights, problem.weights);
      place(kept, problem.kept);
      place(begin, start);
      if (problem.shift !== undefined) place(shift, problem.shift);
      device.fill(failed, 0, 4);
      device.launch('survivors_begin', byElements(size), [
        ...[{ pointer: weights }, { pointer: begin }, { pointer: kept }],
        ...[{ pointer: solution }, { pointer: direction }, { long: size }],
      ]);
      times(direction, image);
      device.launch('survivors_residual', byRows(most, cols), [
        ...[{ pointer: image }, { pointer: weights }, { pointer: kept }],
        ...[{ pointer: problem.shift === undefined ? 0 : shift }, { pointer: scales }, { double: damping }],
        ...[{ double: tolerance }, { pointer: residual }, { pointer: direction }, { pointer: energy }],
        ...[{ pointer: goal }, { int: cols }],
      ]);
      const goals = numbers(goal, count);
      const step = () => {
        times(direction, image);
        device.launch('survivors_step', byRows(most, cols), [
          ...[{ pointer: image }, { pointer: kept }, { pointer: scales }, { double: damping }],
          ...[{ pointer: solution }, { pointer: residual }, { pointer: direction }, { pointer: energy }],
          ...[{ pointer: goal }, { pointer: failed }, { int: cols }],
        ]);
      };
      for (let done = 0; done < steps; done += STEPS_AT_ONCE) {
        if (numbers(energy, count).every((value, r) => value <= goals[r]!)) break;
        for (let i = done; i < Math.min(steps, done + STEPS_AT_ONCE); i++) step();
        const flag = new Int32Array(1);
        device.download(failed, flag);
        if (flag[0] !== 0) throw notPositive();
        // Whoever wants to stop is heard.
        await setImmediate();
        signal?.throwIfAborted();
      }
      device.download(solution, of(out));
    }
  });
  return out;
}
