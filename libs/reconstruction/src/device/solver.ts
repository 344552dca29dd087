import type { StageDevice } from '@esparse/sparsity';
import type { Solver } from '../solver.ts';
import { ROWS_AT_ONCE } from '../survivors.ts';
import { matrixSlot } from './matrix.ts';
import { PRECISION, productsWith, type Precision } from './precision.ts';
import { refineOnDevice } from './refine.ts';
import { withRoom } from './room.ts';
import { sparseGptOnDevice } from './sparse-gpt.ts';
import { survivorsOnDevice } from './survivors.ts';

/** Raised when the same problem has other bits. */
const SOLVER_VERSION = 1;

/** Names the arithmetic of a solver on a device: equal ids give equal bits. */
export function solverId({ id }: StageDevice, precision: Precision = PRECISION): string {
  return `${id}/solver-${SOLVER_VERSION}-${precision}`;
}

/**
 * Solves on an NVIDIA GPU: matrices go there once for a linear, steps ask for products and kernels, and solutions come back. Sums are
 * in an order that depends on sizes alone.
 */
export function deviceSolver(
  device: StageDevice,
  { precision = PRECISION }: { readonly precision?: Precision } = {},
): Solver {
  device.load('solve');
  const slot = matrixSlot(device);
  return {
    async multiply(matrix, a, rows, out) {
      const { channels } = matrix;
      const address = await slot.hold(matrix);
      await withRoom(device, `a product of ${rows} x ${channels}`, (room) => {
        const most = Math.min(rows, ROWS_AT_ONCE);
        const size = most * channels;
        const [left, product] = [room.floats(size), room.floats(size)];
        const times = productsWith(device, { matrix: address, size: channels, rows: most }, precision, room);
        for (let at = 0; at < rows * channels; at += size) {
          const some = Math.min(size, rows * channels - at);
          if (some < size) device.fill(left, 0, 4 * size);
          device.upload(left, a.subarray(at, at + some));
          times(left, product);
          device.download(product, out.subarray(at, at + some));
        }
        return Promise.resolve();
      });
    },
    survivors: async (problem, options = {}) =>
      survivorsOnDevice(device, problem, options, { hessian: await slot.hold(problem.hessian), precision }),
    refine: async (problem, sparse, options) =>
      refineOnDevice(device, problem, sparse, options, await slot.hold(problem.hessian)),
    sparseGpt: async (problem, settings) =>
      sparseGptOnDevice(device, problem, settings, await slot.hold(problem.hessian)),
    release: slot.release,
  };
}
