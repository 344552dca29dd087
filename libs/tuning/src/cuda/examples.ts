import type { TuningBackendOptions } from '../backend.ts';
import type { CudaArithmetic } from '@esparse/cuda';
import type { Kernels } from './kernels.ts';
import type { TakeMemory } from './memory.ts';

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

/** All sequences in the memory of the device: a batch is gathered there. */
export async function residentExamples(
  { inputs, targets, sequences, signal }: TuningBackendOptions,
  { gpu, kernels, take, most, size, zero }: Given,
): Promise<DeviceExamples> {
  const bytes = 4 * size;
  const [allInputs, allTargets, order] = [take(sequences * bytes), take(sequences * bytes), take(4 * most)];
  for (let sequence = 0; sequence < sequences; sequence++) {
    signal?.throwIfAborted();
    gpu.upload(allInputs + sequence * bytes, await inputs(sequence));
    gpu.upload(allTargets + sequence * bytes, await targets(sequence));
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

/** Sequences that the device has no room for: each is copied to it when it is needed. */
export function passingExamples(
  { inputs, targets, signal }: TuningBackendOptions,
  { gpu, size }: Pick<Given, 'gpu' | 'size'>,
): DeviceExamples {
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
