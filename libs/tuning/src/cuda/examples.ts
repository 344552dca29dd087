import type { PlacedValues, TuningBackendOptions } from '../backend.ts';
import type { CudaArithmetic } from '@esparse/cuda';
import type { Kernels } from './kernels.ts';
import type { TakeMemory } from './memory.ts';
import { AHEAD } from './steps.ts';
import type { Sum, Tensor } from './tensor.ts';

/** The sequences that a block is tuned on, and where they are. */
export interface DeviceExamples {
  /** Says which sequences come next: the others name them by their places. */
  order(sequences: readonly number[]): void;
  /** Puts `count` sequences from a place on where a pass reads them. */
  put(place: number, count: number, to: Places): Promise<void>;
  /** The same from the place `step * stride + first` on, by the number of the step at an address. @default the host must put them */
  readonly putOfStep?: (
    from: { readonly step: number; readonly stride: number; readonly first: number },
    count: number,
    to: Places,
  ) => void;
}

/** Where a pass reads its sequences: addresses. */
export interface Places {
  readonly input: number;
  readonly target: number;
}

interface Given {
  readonly gpu: CudaArithmetic;
  readonly kernels: Kernels;
  readonly take: TakeMemory;
  /** Sequences that are put in order at once, at most. */
  readonly most: number;
  /** Elements of a sequence's input, and of its target. */
  readonly size: number;
  /** The address of a 0. */
  readonly zero: number;
}

/** Puts the sequences where there is room for them: all on the device, or on the host. */
export async function openExamples(
  given: TuningBackendOptions,
  { resident, ...device }: Omit<Given, 'most' | 'size' | 'zero'> & { readonly resident: boolean },
): Promise<{ readonly examples: DeviceExamples; readonly zero: number }> {
  const { gpu, take } = device;
  const zero = take(4);
  gpu.fill(zero, 0, 4);
  const most = Math.max(AHEAD * given.batch, given.sequences);
  const own = { ...device, most, size: given.seqlen * given.description.hidden, zero };
  return { zero, examples: await (resident ? residentExamples(given, own) : passingExamples(given, own)) };
}

/** All sequences in the memory of the device: a batch is gathered there. */
async function residentExamples(
  given: TuningBackendOptions,
  { gpu, kernels, take, most, size, zero }: Given,
): Promise<DeviceExamples> {
  const bytes = 4 * size * given.sequences;
  const [allInputs, allTargets, order] = [take(bytes), take(bytes), take(4 * most)];
  if (given.place === undefined) await copyAll(gpu, given, { input: allInputs, target: allTargets }, size);
  else {
    for (const sums of [allInputs, allTargets]) gpu.fill(sums, 0, bytes);
    await given.place(({ to, first, values, share }) => {
      const at = (to === 'inputs' ? allInputs : allTargets) + 4 * size * first;
      addShare(gpu, kernels, { address: at, type: 'f32', accumulate: true }, values, share);
    });
    // What the values were made with is not needed again.
    gpu.trim();
  }
  const eights = size / 8;
  const putOfStep: NonNullable<DeviceExamples['putOfStep']> = ({ step, stride, first }, count, to) => {
    const which = [{ pointer: order }, { pointer: step }, stride, first];
    const gather = (from: number, place: number) => {
      const ends = [{ pointer: place }, { long: eights }];
      kernels.parts('gather', eights, count, [{ pointer: from }, ...which, ...ends]);
    };
    gather(allInputs, to.input);
    gather(allTargets, to.target);
  };
  return {
    order(wanted) {
      gpu.upload(order, Int32Array.from(wanted));
    },
    put(place, count, to) {
      putOfStep({ step: zero, stride: 0, first: place }, count, to);
      return Promise.resolve();
    },
    putOfStep,
  };
}

/** Copies all sequences from the host. */
async function copyAll(
  gpu: CudaArithmetic,
  { inputs, targets, sequences, signal }: TuningBackendOptions,
  to: Places,
  size: number,
): Promise<void> {
  for (let sequence = 0; sequence < sequences; sequence++) {
    signal?.throwIfAborted();
    gpu.upload(to.input + 4 * size * sequence, await inputs(sequence));
    gpu.upload(to.target + 4 * size * sequence, await targets(sequence));
  }
}

/** Adds a share of values, wherever they are, to what lies on the device. */
function addShare(gpu: CudaArithmetic, kernels: Kernels, to: Sum, values: PlacedValues, share: number): void {
  const add = (from: Tensor, eights: number) => {
    kernels.elements('scale', eights, [from, { float: share }, to, { long: eights }]);
  };
  if ('address' in values) {
    add(values, values.length / 8);
    return;
  }
  const copy = gpu.allocate(values.byteLength);
  gpu.upload(copy.address, values);
  add({ address: copy.address, type: 'bf16' }, values.length / 8);
  gpu.release(copy);
}

/**
 * Sequences that the device has no room for: each is copied to it when it is needed. What makes them may need the device's memory: the
 * first is asked for at once, while that is free.
 */
async function passingExamples(
  { inputs, targets, signal }: TuningBackendOptions,
  { gpu, size }: Pick<Given, 'gpu' | 'size'>,
): Promise<DeviceExamples> {
  await inputs(0);
  let ordered: readonly number[] = [];
  return {
    order(wanted) {
      ordered = wanted;
    },
    async put(place, count, { input, target }) {
      for (const [i, sequence] of ordered.slice(place, place + count).entries()) {
        signal?.throwIfAborted();
        gpu.upload(input + 4 * size * i, await inputs(sequence));
        gpu.upload(target + 4 * size * i, await targets(sequence));
      }
    },
  };
}
