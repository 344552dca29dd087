import { EsparseError } from '@esparse/errors';
import type { Stage, StageDevice } from '@esparse/sparsity';

/** A device that stages compute on, open for a run. */
export interface OpenSolver {
  /** @default the processor alone */
  readonly device?: StageDevice;
  close(): void;
}

/** What stages compute on: the processor, or an NVIDIA GPU by its number, counted from 0. */
const NAME = /^(?:cpu|cuda(?::(\d{1,4}))?)$/;

/** Whether a text names what stages compute on. */
export function isSolver(text: string): boolean {
  return NAME.test(text);
}

/**
 * Opens the device that stages compute on, if there is a stage that uses one.
 *
 * @param name - see `PruneOptions.solver`
 * @throws EsparseError 'usage' or 'unsupported' for a device that is not there
 */
export async function openSolver(
  name: string | undefined,
  stages: readonly Pick<Stage, 'deviceBytes'>[],
): Promise<OpenSolver> {
  const [text, ordinal = '0'] = NAME.exec(name ?? 'cpu') ?? [];
  if (text === undefined) throw new EsparseError('usage', `no solver is called ${String(name).slice(0, 80)}`);
  if (text === 'cpu' || !stages.some(usesDevice)) return { close: () => undefined };
  const { arithmeticId, CudaArithmetic } = await import('@esparse/cuda');
  const gpu = CudaArithmetic.open(Number(ordinal));
  return {
    device: Object.assign(gpu, { id: arithmeticId(gpu) }),
    close: () => {
      gpu.close();
    },
  };
}

/** Whether a stage computes on a device where there is one. */
export function usesDevice({ deviceBytes }: Pick<Stage, 'deviceBytes'>): boolean {
  return deviceBytes !== undefined;
}
