import { EsparseError } from '@esparse/errors';
import { createMatrixProducts, type MatrixProducts } from '@esparse/onnx';
import { readerOf, type StatisticReader } from '@esparse/statistics';
import { driftStatistic } from './drift.ts';
import { gramStatistic } from './gram.ts';
import { createSpill, type Spill } from './spill.ts';
import type { Hessian, TapMatrix } from './tap-matrix.ts';

/** What stages that know the Hessians of their inputs work with, in a whole run. */
export interface Workshop {
  /** Opened when they are wanted first, by the statistic and the stage together. */
  products(): Promise<MatrixProducts>;
  /** Where sums and Hessians lie. */
  readonly spill: Spill;
  /** Bytes of sequences that wait to be added to the sums, of all states. */
  readonly waiting: { bytes: number };
  release(): Promise<void>;
}

/**
 * GiB of memory that the Hessians of a block may have, in the variable ESPARSE_HESSIAN_MEMORY: it is no option of a run,
 * whose outcome does not depend on it. The sums take 8 bytes for each pair of channels: 1.4 GB for all taps of a 7B
 * LLaMA's block.
 */
const MEMORY_GIB = 2;

/** The workshop that is open, and how many hold it. */
let shared: { readonly workshop: Workshop; holders: number } | undefined;

/**
 * Stages that are open at once have one workshop, so that they share sums, and one bound of memory. It is let go when the
 * last of them has released it.
 *
 * @throws EsparseError 'usage' for a bound of memory that is none
 */
export function openWorkshop(): Workshop {
  const memory = hessianMemory();
  // Of another bound, it is of another run.
  if (shared?.workshop.spill.memory !== memory) shared = { workshop: createWorkshop(memory), holders: 0 };
  const held = shared;
  held.holders++;
  let released: Promise<void> | undefined;
  return {
    ...held.workshop,
    release: () =>
      (released ??= (async () => {
        if (--held.holders > 0) return;
        if (shared === held) shared = undefined;
        await held.workshop.release();
      })()),
  };
}

function createWorkshop(memory: number): Workshop {
  let opened: Promise<MatrixProducts> | undefined;
  const spill = createSpill({ memory });
  return {
    products: () => (opened ??= createMatrixProducts()),
    spill,
    waiting: { bytes: 0 },
    async release() {
      await Promise.all([(await opened)?.release(), spill.close()]);
    },
  };
}

/** The Hessian of a tap, which is let go of with its block. */
export function hessianOf(workshop: Workshop): StatisticReader<Hessian> {
  const gram = gramStatistic(workshop);
  return readerOf(gram, gram.finish, (hessian) => {
    hessian.release();
  });
}

/** How a tap has drifted from the dense model's, which is let go of with its block; nothing where it has not. */
export function driftOf(workshop: Workshop): StatisticReader<TapMatrix | undefined> {
  const drift = driftStatistic(workshop);
  return readerOf(drift, drift.finishDrift, (matrix) => {
    matrix?.release();
  });
}

/**
 * Bytes of memory that the Hessians of a block may have.
 *
 * @throws EsparseError 'usage' for a bound of memory that is none
 */
export function hessianMemory(): number {
  const text = process.env.ESPARSE_HESSIAN_MEMORY ?? String(MEMORY_GIB);
  const gibibytes = Number(text);
  if (text.trim() !== '' && gibibytes >= 0 && gibibytes < Infinity) return gibibytes * 2 ** 30;
  throw new EsparseError('usage', `ESPARSE_HESSIAN_MEMORY is "${text}": expected GiB, such as 2 or 0.5`);
}
