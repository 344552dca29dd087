import { EsparseError, isEsparseError } from '@esparse/errors';
import type { LinearShape, Shuffle, Stage, StageDevice } from '@esparse/sparsity';
import type { SharingDevice } from '@esparse/statistics';

/** What scores, shuffle and stages are computed on, which reads what workers of the same machine share. */
export type SolverDevice = StageDevice & SharingDevice;

/**
 * Linears that a GPU works on at a time: what one does next waits for what it did last, and for the host, and another fills the gaps. They
 * are devices of their own to whoever uses them.
 */
const LINEARS_OF_A_GPU = 2;
/** Share of a GPU's memory that a linear may take where another one is there, too, beside workers, sums and matrices. */
const MOST_OF_MEMORY = 1 / 16;

/** Linears that a GPU works on at a time, of which the largest takes so many bytes. */
export function linearsOfGpu(totalBytes: number, linearBytes: number): number {
  return linearBytes <= MOST_OF_MEMORY * totalBytes ? LINEARS_OF_A_GPU : 1;
}

/** The devices of a run, open: as many linears are worked on at a time. */
export interface OpenSolver {
  /** None for the processor. */
  readonly devices: readonly SolverDevice[];
  close(): void;
}

/** Linears that are in memory at once: with devices one for each, one that is read, and one that is packed. */
export function linearsAtOnce(devices: number): number {
  return devices === 0 ? 1 : devices + 2;
}

/** What they compute on: the processor, or NVIDIA GPUs by their numbers, counted from 0. */
const NAME = /^(?:cpu|cuda(?::(all|\d{1,4}(?:,\d{1,4})*))?)$/;

/** Whether a text names what stages compute on. */
export function isSolver(text: string): boolean {
  return NAME.test(text);
}

/**
 * Opens the devices that shuffle and stages compute on, if one of them uses any: of a GPU with room for several linears, several.
 *
 * @param name - see `PruneOptions.solver`
 * @param linears - that are pruned
 * @throws EsparseError 'usage' or 'unsupported' for a device that is not there, and for several that compute differently
 */
export async function openSolver(
  name: string | undefined,
  parts: readonly Pick<Stage | Shuffle, 'deviceBytes'>[],
  linears: readonly LinearShape[] = [],
): Promise<OpenSolver> {
  const [text, which = '0'] = NAME.exec(name ?? 'cpu') ?? [];
  if (text === undefined) throw new EsparseError('usage', `no solver is called ${String(name).slice(0, 80)}`);
  if (text === 'cpu' || !parts.some(usesDevice)) return { devices: [], close: () => undefined };
  const { arithmeticId, CudaArithmetic, gpuCount } = await import('@esparse/cuda');
  const ordinals = ordinalsOf(which, gpuCount);
  const opened: ReturnType<typeof CudaArithmetic.open>[] = [];
  const open = (ordinal: number, beside?: ReturnType<typeof CudaArithmetic.open>) => {
    const gpu = CudaArithmetic.open(ordinal, beside);
    opened.push(gpu);
    return Object.assign(gpu, { id: arithmeticId(gpu) });
  };
  const close = () => {
    for (const gpu of opened) gpu.close();
  };
  try {
    const gpus = ordinals.map((ordinal) => open(ordinal));
    requireAlike(gpus, ordinals);
    const bytes = deviceBytes(parts, linears);
    const beside = gpus.flatMap((gpu, i) =>
      Array.from({ length: linearsOfGpu(gpu.facts.totalBytes, bytes) - 1 }, () => open(ordinals[i]!, gpu)),
    );
    return { devices: [...gpus, ...beside], close };
  } catch (error) {
    close();
    throw error;
  }
}

function ordinalsOf(which: string, gpuCount: () => number): number[] {
  if (which === 'all') return Array.from({ length: gpuCount() }, (_, i) => i);
  return [...new Set(which.split(',').map(Number))];
}

/** Memory of a device that parts of a pipeline take for the largest of these linears. */
export function deviceBytes(
  parts: readonly Pick<Stage | Shuffle, 'deviceBytes'>[],
  linears: readonly LinearShape[],
): number {
  return parts
    .flatMap((part) => linears.map((linear) => part.deviceBytes?.(linear) ?? 0))
    .reduce((most, bytes) => Math.max(most, bytes), 0);
}

/** How many devices `openSolver` opens, at most; of all those of a machine that has none, those of one. */
export async function solverCount(
  name: string | undefined,
  parts: readonly Pick<Stage | Shuffle, 'deviceBytes'>[],
): Promise<number> {
  const [text = 'cpu', which = '0'] = NAME.exec(name ?? 'cpu') ?? [];
  if (text === 'cpu' || !parts.some(usesDevice)) return 0;
  const { gpuCount } = await import('@esparse/cuda');
  const ordinals = ordinalsOf(which, () => {
    try {
      return gpuCount();
    } catch (error) {
      if (isEsparseError(error) && error.kind === 'unsupported') return 1;
      throw error;
    }
  });
  return LINEARS_OF_A_GPU * ordinals.length;
}

/** What a linear becomes must not depend on which of them has it. */
function requireAlike(devices: readonly StageDevice[], ordinals: readonly number[]): void {
  const other = devices.findIndex(({ id }) => id !== devices[0]!.id);
  if (other < 0) return;
  const named = [0, other].map((i) => `cuda:${ordinals[i]!} is ${devices[i]!.id}`);
  throw new EsparseError(
    'unsupported',
    `GPUs that compute differently cannot share a run: ${named.join(', ')}`,
    {
      hint: 'name GPUs of one kind with --solver, such as cuda:0,1',
    },
  );
}

/** Whether a part of a pipeline computes on a device where there is one. */
export function usesDevice({ deviceBytes }: Pick<Stage | Shuffle, 'deviceBytes'>): boolean {
  return deviceBytes !== undefined;
}
