import { EsparseError } from '@esparse/errors';
import { createMatrixProducts, type MatrixProducts } from '@esparse/onnx';
import type { StageDevice } from '@esparse/sparsity';
import { deviceSolver } from './device/solver.ts';
import { processorSolver, type Solver } from './solver.ts';
import { createSpill, type Spill } from './spill.ts';

/** What sums of products are made with. */
export interface ProductResources {
  /** Opened by whoever asks first. */
  products(): Promise<MatrixProducts>;
  /** Where sums and matrices lie. */
  readonly spill: Spill;
  /** Bytes of sequences that wait to be added to the sums, of all states. */
  readonly waiting: { bytes: number };
}

/** The same for all stages of a run that need Hessians of their inputs. */
export interface HessianResources extends ProductResources {
  /** Solves for weights: on the processor, or on a device, each of which has one. */
  solver(device?: StageDevice): Promise<Solver>;
  release(): Promise<void>;
}

/**
 * GiB of memory that the Hessians of a block may have, in the variable ESPARSE_HESSIAN_MEMORY: it is no option of a run,
 * whose outcome does not depend on it. The sums take 8 bytes for each pair of channels: 1.4 GB for all taps of a 7B
 * LLaMA's block.
 */
const MEMORY_GIB = 2;

/** The resources that are open, and how many stages use them. */
let shared: { readonly resources: HessianResources; users: number } | undefined;

/**
 * Opens the resources for one stage. Stages that are open at once share them, so that sums are made once and one bound of
 * memory holds for all. The last stage to call `release` closes them.
 *
 * @throws EsparseError 'usage' where ESPARSE_HESSIAN_MEMORY is not a number of GiB
 */
export function openHessianResources(): HessianResources {
  const memory = hessianMemory();
  // Another bound of memory belongs to another run.
  if (shared?.resources.spill.memory !== memory) shared = { resources: createResources(memory), users: 0 };
  const used = shared;
  used.users++;
  let released: Promise<void> | undefined;
  return {
    ...used.resources,
    release: () =>
      (released ??= (async () => {
        if (--used.users > 0) return;
        if (shared === used) shared = undefined;
        await used.resources.release();
      })()),
  };
}

function createResources(memory: number): HessianResources {
  let opened: Promise<MatrixProducts> | undefined;
  const spill = createSpill({ memory });
  const products = () => (opened ??= createMatrixProducts());
  const solvers = new Map<StageDevice | undefined, Promise<Solver>>();
  const open = async (device: StageDevice | undefined): Promise<Solver> =>
    device === undefined ? processorSolver(await products()) : deviceSolver(device);
  return {
    products,
    spill,
    waiting: { bytes: 0 },
    solver(device) {
      let solver = solvers.get(device);
      if (solver === undefined) solvers.set(device, (solver = open(device)));
      return solver;
    },
    async release() {
      // One that did not open has nothing to give back.
      for (const opening of await Promise.allSettled(solvers.values()))
        if (opening.status === 'fulfilled') opening.value.release();
      solvers.clear();
      await Promise.all([(await opened)?.release(), spill.close()]);
    },
  };
}

/**
 * Bytes of memory that the Hessians of a block may have.
 *
 * @throws EsparseError 'usage' where ESPARSE_HESSIAN_MEMORY is not a number of GiB
 */
export function hessianMemory(): number {
  const text = process.env.ESPARSE_HESSIAN_MEMORY ?? String(MEMORY_GIB);
  const gibibytes = Number(text);
  if (text.trim() !== '' && gibibytes >= 0 && gibibytes < Infinity) return gibibytes * 2 ** 30;
  throw new EsparseError('usage', `ESPARSE_HESSIAN_MEMORY is "${text}": expected GiB, such as 2 or 0.5`);
}
