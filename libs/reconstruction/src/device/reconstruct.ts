import { lend } from '@esparse/kernels';
import type { StatisticDevice } from '@esparse/statistics';
import type { Reconstructed, ReconstructOptions, ReconstructProblem } from '../reconstruct-linear.ts';
import { refineOnDevice } from './refine.ts';
import { byElements, byRowElements, withRoom } from './room.ts';
import { rowParts, takeRows, type RowPart } from './rows.ts';
import { survivorsOnDevice } from './survivors.ts';

/**
 * `reconstructLinear` on a device: rows go there as they are stored, a group of them is solved for, its masks are chosen anew, it is
 * solved for again, and comes back. The next ones go there meanwhile.
 *
 * @param at - where H, and the drift if there is one, lie there
 */
export async function reconstructOnDevice(
  device: StatisticDevice,
  problem: ReconstructProblem,
  { sweeps, steps, signal, progress }: ReconstructOptions,
  at: { readonly hessian: number; readonly drift: number | undefined },
): Promise<Reconstructed> {
  const { rows, cols, dtype, pattern, permutation, hessian, damping, dense } = problem;
  const rowBytes = Math.ceil(cols / 8);
  return withRoom(device, `solving for the weights of ${rows} x ${cols}`, async (room) => {
    const linear = takeRows(room, problem, at.drift !== undefined);
    const { rows: most, weights, kept, shift, solution } = linear;
    const size = most * cols;
    const stored = () => ({ bits: room.bytes(2 * size), mask: room.bytes(most * rowBytes) });
    const [given, made, channels] = [stored(), stored(), room.of(permutation)];
    const isHalf = { int: dtype === 'f16' ? 1 : 0 };
    const system = { hessian, damping, matrix: at.hessian };
    const solve = survivorsOnDevice(device, system, linear, room);
    const refine =
      sweeps > 0
        ? await refineOnDevice(device, { matrix: at.hessian, damping, pattern, channels }, linear, room)
        : undefined;
    const found = lend(rows * cols);
    const masks = refine === undefined ? undefined : new Uint8Array(rows * rowBytes);
    const parts = rowParts(device, problem);
    // The next rows are worked on while these come back.
    const arriving: Promise<void>[] = [];
    const arrive = (from: number, to: ArrayBufferView) => {
      const arrived = device.downloadLater(from, to);
      arrived.catch(() => undefined); // told below, or by what failed before
      arriving.push(arrived);
    };
    const bring = async (part: RowPart | undefined) => {
      await part?.bring(given.bits, problem.weights);
      await part?.bring(given.mask, problem.mask, rowBytes);
    };
    let brought = bring(parts[0]);
    try {
      for (const [i, { count, of }] of parts.entries()) {
        await brought;
        signal?.throwIfAborted();
        device.launch('rows_widen', byElements(size), [
          ...[{ pointer: given.bits }, isHalf, { pointer: weights }, { long: size }],
        ]);
        device.launch('rows_kept', byRowElements(most, cols), [
          ...[{ pointer: given.mask }, { pointer: channels }, { pointer: kept }, { int: cols }],
        ]);
        if (at.drift !== undefined)
          device.multiply({
            ...{ m: most, n: cols, k: cols, left: weights, right: at.drift, out: shift, alpha: dense },
            ...{ inputs: 'f32', outputs: 'f32' },
          });
        await solve(weights, { steps, count, signal });
        // What was given of these rows has been read.
        brought = bring(parts[i + 1]);
        brought.catch(() => undefined); // told when it is waited for, or by what failed before
        if (refine !== undefined && masks !== undefined) {
          await refine({ sweeps, signal });
          device.launch('rows_mask', byRowElements(most, rowBytes), [
            ...[{ pointer: solution }, { pointer: channels }, { pointer: made.mask }, { pointer: kept }],
            ...[{ int: cols }, { int: pattern.keep }, { int: pattern.group }],
          ]);
          await solve(solution, { steps, count, signal });
          arrive(made.mask, of(masks, rowBytes));
        }
        device.launch('rows_narrow', byElements(size), [
          ...[{ pointer: solution }, isHalf, { pointer: made.bits }, { long: size }],
        ]);
        arrive(made.bits, of(found));
        progress(i + 1, parts.length);
      }
    } finally {
      // Until then the arrays, and the memory, are in use.
      await brought.catch(() => undefined);
    }
    await Promise.all(arriving);
    return { weights: found, ...(masks !== undefined && { mask: masks }) };
  });
}
