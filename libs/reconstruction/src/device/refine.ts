import { setImmediate } from 'node:timers/promises';
import type { StatisticDevice } from '@esparse/statistics';
import { choicesOf, type MaskProblem, type RefineOptions } from '../refine-mask.ts';
import { productsWith, PRECISION } from './precision.ts';
import { byElements, byRowElements, THREADS, withRoom } from './room.ts';
import { rowParts, rowsTogether } from './row-parts.ts';

/** Rows of a block of threads of `descent_step`. */
const DESCENT_ROWS = 8;

/** `refineMask` on a device; `hessian` is where the matrix lies there. */
export async function refineOnDevice(
  device: StatisticDevice,
  problem: MaskProblem,
  sparse: Float32Array,
  { sweeps, signal }: RefineOptions,
  hessian: number,
): Promise<boolean> {
  const { rows, cols, damping, pattern } = problem;
  const choices = await choicesOf(problem);
  if (choices === undefined) return false;
  await withRoom(device, `choosing the masks of ${rows} x ${cols}`, async (room) => {
    const most = rowsTogether(rows);
    const size = most * cols;
    const widest = choices.blocks[0]!.channels.length;
    const [weights, shift, found] = [room.floats(size), room.floats(size), room.floats(size)];
    const [difference, gradient] = [room.floats(size), room.floats(size)];
    const [step, blockRows] = [room.floats(most * widest), room.floats(widest * cols)];
    const places = room.of(choices.places);
    const blocks = choices.blocks.map(({ channels, inverses }) => ({
      width: channels.length,
      channels: room.of(channels),
      inverses: room.of(inverses),
    }));
    const times = productsWith(device, { matrix: hessian, size: cols, rows: most }, PRECISION, room);
    for (const { of, place } of rowParts(device, problem)) {
      place(weights, problem.weights);
      place(found, sparse);
      if (problem.shift !== undefined) place(shift, problem.shift);
      device.launch('descent_difference', byElements(size), [
        ...[{ pointer: found }, { pointer: weights }, { pointer: difference }, { long: size }],
      ]);
      times(difference, gradient);
      device.launch('descent_gradient', byElements(size), [
        ...[{ pointer: gradient }, { pointer: difference }],
        ...[{ pointer: problem.shift === undefined ? 0 : shift }, { double: damping }, { long: size }],
      ]);
      for (let sweep = 0; sweep < sweeps; sweep++) {
        for (const { width, channels, inverses } of blocks) {
          device.launch('descent_rows', byRowElements(width, cols), [
            ...[{ pointer: hessian }, { pointer: channels }, { float: damping }, { pointer: blockRows }],
            { int: cols },
          ]);
          const how = {
            grid: [Math.ceil(most / DESCENT_ROWS)] as const,
            threads: THREADS,
            shared: 4 * 2 * DESCENT_ROWS * width,
          };
          device.launch('descent_step', how, [
            ...[{ pointer: found }, { pointer: gradient }, { pointer: step }, { pointer: channels }],
            ...[
              { pointer: blockRows },
              { pointer: places },
              { pointer: inverses },
              { int: most },
              { int: cols },
            ],
            ...[{ int: width }, { int: pattern.keep }, { int: pattern.group }, { int: choices.choices }],
          ]);
          device.multiply({
            ...{ m: most, n: cols, k: width, left: step, right: blockRows, out: gradient, beta: 1 },
            ...{ inputs: 'f32', outputs: 'f32' },
          });
        }
        await setImmediate();
        signal?.throwIfAborted();
      }
      device.download(found, of(sparse));
    }
  });
  return true;
}
