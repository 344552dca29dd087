import { EsparseError } from '@esparse/errors';
import type { Shuffle, Stage, StageDevice } from '@esparse/sparsity';
import type { SharingDevice } from '@esparse/statistics';

/** What shuffle and stages compute on, which reads what workers of the same machine share. */
export type SolverDevice = StageDevice & SharingDevice;

/** A device that shuffle and stages compute on, open for a run. */
export interface OpenSolver {
  /** @default the processor alone */
  readonly device?: SolverDevice;
  close(): void;
}

/** What they compute on: the processor, or an NVIDIA GPU by its number, counted from 0. */
const NAME = /^(?:cpu|cuda(?::(\d{1,4}))?)$/;

/** Whether a text names what stages compute on. */
export function isSolver(text: string): boolean {
  return NAME.test(text);
}

/**
 * Opens the device that shuffle and stages compute on, if one of them uses it.
 *
 * @param name - see `PruneOptions.solver`
 * @throws EsparseError 'usage' or 'unsupported' for a device that is not there
 */
export async function openSolver(
  name: string | undefined,
  parts: readonly Pick<Stage | Shuffle, 'deviceBytes'>[],
): Promise<OpenSolver> {
  const [text, ordinal = '0'] = NAME.exec(name ?? 'cpu') ?? [];
  if (text === undefined) throw new EsparseError('usage', `no solver is called ${String(name).slice(0, 80)}`);
  if (text === 'cpu' || !parts.some(usesDevice)) return { close: () => undefined };
  const { arithmeticId, CudaArithmetic } = await import('@esparse/cuda');
  const gpu = CudaArithmetic.open(Number(ordinal));
  return {
    device: Object.assign(gpu, { id: arithmeticId(gpu) }),
    close: () => {
      gpu.close();
    },
  };
}

/** Whether a part of a pipeline computes on a device where there is one. */
export function usesDevice({ deviceBytes }: Pick<Stage | Shuffle, 'deviceBytes'>): boolean {
  return deviceBytes !== undefined;
}
