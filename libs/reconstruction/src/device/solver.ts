import type { StageDevice } from '@esparse/sparsity';
import type { Solver } from '../solver.ts';
import { matrixSlot } from './matrix.ts';
import { reconstructOnDevice } from './reconstruct.ts';
import { refineOnDevice } from './refine.ts';
import { withRoom } from './room.ts';
import { rowParts, takeRows } from './rows.ts';
import { sparseGptOnDevice } from './sparse-gpt.ts';
import { survivorsOnDevice } from './survivors.ts';

/** Raised when the same problem has other bits. */
const SOLVER_VERSION = 2;

/** Names the arithmetic of a solver on a device: equal ids give equal bits. */
export function solverId({ id }: StageDevice): string {
  return `${id}/solver-${SOLVER_VERSION}`;
}

/**
 * Solves on an NVIDIA GPU: matrices go there once for all linears of a tap, steps ask for products and kernels, and solutions come back.
 * Sums are in an order that depends on sizes alone.
 */
export function deviceSolver(device: StageDevice): Solver {
  device.load('solve');
  const slots = { hessian: matrixSlot(device), drift: matrixSlot(device) };
  return {
    async reconstruct(problem, options) {
      const { hessian, drift } = problem;
      const at = {
        hessian: await slots.hessian.hold(hessian),
        drift: drift && (await slots.drift.hold(drift)),
      };
      return reconstructOnDevice(device, problem, options, at);
    },

    async survivors(problem, { start = problem.weights, ...options } = {}) {
      const matrix = await slots.hessian.hold(problem.hessian);
      const out = new Float32Array(problem.rows * problem.cols);
      await withRoom(device, `solving for the weights of ${problem.rows} x ${problem.cols}`, async (room) => {
        const at = takeRows(room, problem, problem.shift !== undefined);
        const begin = room.floats(at.rows * at.cols);
        // As an array it is converted at once, number by number it would take longer than to solve.
        const kept = new Uint8Array(problem.kept);
        const solve = survivorsOnDevice(device, { ...problem, matrix }, at, room);
        for (const { count, of, place } of rowParts(device, problem)) {
          place(at.weights, problem.weights);
          place(at.kept, kept);
          place(begin, start);
          if (problem.shift !== undefined) place(at.shift, problem.shift);
          await solve(begin, { ...options, count });
          await device.downloadLater(at.solution, of(out));
        }
      });
      return out;
    },

    async refine(problem, sparse, options) {
      const { rows, cols, shift } = problem;
      const matrix = await slots.hessian.hold(problem.hessian);
      return withRoom(device, `choosing the masks of ${rows} x ${cols}`, async (room) => {
        const at = takeRows(room, problem, shift !== undefined);
        const channels = room.of(problem.permutation);
        const descend = await refineOnDevice(device, { ...problem, matrix, channels }, at, room);
        if (descend === undefined) return false;
        for (const { of, place } of rowParts(device, problem)) {
          place(at.weights, problem.weights);
          place(at.solution, sparse);
          if (shift !== undefined) place(at.shift, shift);
          await descend(options);
          await device.downloadLater(at.solution, of(sparse));
        }
        return true;
      });
    },

    sparseGpt: async (problem, settings) =>
      sparseGptOnDevice(device, problem, settings, await slots.hessian.hold(problem.hessian)),

    release() {
      slots.hessian.release();
      slots.drift.release();
    },
  };
}
