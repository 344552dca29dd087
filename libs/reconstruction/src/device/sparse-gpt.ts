import { setImmediate } from 'node:timers/promises';
import { SPARSE_GPT_CHANNELS } from '@esparse/kernels';
import type { StatisticDevice } from '@esparse/statistics';
import { dampingOf } from '../channel-sweep.ts';
import type { SparseGptProblem, SparseGptSettings, SparseGptSolution } from '../sparse-gpt.ts';
import type { Hessian } from '../tap-matrix.ts';
import { inverseFactorOnDevice } from './inverse-factor.ts';
import { byElements, byRowElements, withRoom } from './room.ts';

/** `sparseGpt` on a device; `matrix` is where the Hessian lies there. */
export async function sparseGptOnDevice(
  device: StatisticDevice,
  problem: Omit<SparseGptProblem, 'hessian'> & { readonly hessian: Pick<Hessian, 'diagonal'> },
  { damping = 0.01, signal, progress }: SparseGptSettings = {},
  matrix: number,
): Promise<SparseGptSolution> {
  const { rows, cols, permutation, pattern } = problem;
  const { keep, group } = pattern;
  const { more, dead } = dampingOf(problem.hessian.diagonal, permutation, damping);
  return withRoom(device, `SparseGPT of ${rows} x ${cols}`, async (room) => {
    const order = room.of(permutation);
    const factor = room.floats(cols * cols);
    device.launch('sparse_gpt_hessian', byRowElements(cols, cols), [
      ...[
        { pointer: matrix },
        { pointer: order },
        { pointer: room.of(Float32Array.from(more)) },
        { pointer: factor },
        { int: cols },
      ],
    ]);
    await inverseFactorOnDevice(device, factor, cols, room, signal);
    const size = rows * cols;
    const given = room.of(problem.weights);
    const [weights, errors, kept] = [room.floats(size), room.floats(size), room.bytes(size)];
    device.launch('sparse_gpt_channels', byRowElements(cols, rows), [
      ...[{ pointer: given }, { pointer: order }, { pointer: room.of(dead) }, { pointer: weights }],
      ...[{ int: rows }, { int: cols }],
    ]);
    const width = SPARSE_GPT_CHANNELS - (SPARSE_GPT_CHANNELS % group);
    for (let first = 0; first < cols; first += width) {
      const channels = Math.min(width, cols - first);
      // What all channels before lost is made up for.
      if (first > 0) {
        device.multiply({
          ...{
            m: channels,
            n: rows,
            k: first,
            left: factor + 4 * first,
            leftStride: cols,
            transposeLeft: true,
          },
          ...{
            right: errors,
            out: weights + 4 * first * rows,
            alpha: -1,
            beta: 1,
            inputs: 'f32',
            outputs: 'f32',
          },
        });
      }
      device.launch('sparse_gpt_sweep', byElements(rows), [
        ...[
          { pointer: weights },
          { pointer: errors },
          { pointer: kept },
          { pointer: factor },
          { int: first },
        ],
        ...[{ int: channels }, { int: rows }, { int: cols }, { int: keep }, { int: group }],
      ]);
      await setImmediate();
      signal?.throwIfAborted();
      progress?.(first + channels, cols);
    }
    const mask = new Uint8Array(rows * Math.ceil(cols / 8));
    const bits = room.bytes(mask.length);
    device.launch('sparse_gpt_mask', byRowElements(rows, Math.ceil(cols / 8)), [
      ...[{ pointer: kept }, { pointer: bits }, { int: rows }, { int: cols }],
    ]);
    device.launch('sparse_gpt_rows', byRowElements(rows, cols), [
      ...[{ pointer: weights }, { pointer: order }, { pointer: given }, { int: rows }, { int: cols }],
    ]);
    const solved = new Float32Array(size);
    await device.downloadLater(given, solved);
    await device.downloadLater(bits, mask);
    return { weights: solved, mask };
  });
}
