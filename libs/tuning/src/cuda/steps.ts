import { setImmediate } from 'node:timers/promises';
import type { CudaArithmetic } from '@esparse/cuda';
import type { TuneStep, TuningBackend, TuningBackendOptions, Values } from '../backend.ts';
import type { DeviceExamples, Places } from './examples.ts';
import type { Kernels } from './kernels.ts';
import type { TakeMemory } from './memory.ts';
import type { Parameters } from './parameters.ts';

/** Steps that are asked for before the losses of the first are looked at: the host waits for the device as rarely. */
export const AHEAD = 32;
/** Adam's decays: see `kernels/tune/adam.cuh`. */
const [BETA1, BETA2] = [0.9, 0.999];

/** What learns on a device: from sequences to their losses, and back to gradients. */
export interface Learning {
  /** Where its sequences are put, inputs and targets. */
  readonly places: Places;
  readonly parameters: Omit<Parameters, 'of'>;
  /** Losses of the rows of sequences, f32. */
  readonly ofRows: number;
  forward(sequences: number): void;
  /** After `forward`: the loss of each row, and what it gives back where it counts for the mean of so many sequences. */
  compare(sequences: number, ofBatch?: number): void;
  /** After that: gradients of parameters. @param accumulate whether they are added to what is there */
  back(sequences: number, accumulate: boolean): void;
}

/** Tuning on a device. */
export interface DeviceTuning extends TuningBackend {
  /** The gradients of the mean loss of a batch. */
  gradients(sequences: readonly number[]): Promise<Values>;
}

/**
 * Steps down the losses of what learns. What a step asks for is recorded where the device has all sequences, and replayed: what depends on a
 * step alone, its sequences and Adam's factors, is sent for some steps at a time.
 *
 * @param most sequences that go through at once, a whole part of a batch
 * @param zero the address of a 0
 * @param release gives back what all of it takes
 */
export function createSteps(
  { batch, seqlen, sequences: all, signal }: TuningBackendOptions,
  {
    gpu,
    kernels,
    take,
    examples,
    most,
    zero,
    release,
  }: {
    readonly gpu: CudaArithmetic;
    readonly kernels: Kernels;
    readonly take: TakeMemory;
    readonly examples: DeviceExamples;
    readonly most: number;
    readonly zero: number;
    readonly release: () => void;
  },
  { places, parameters, ofRows, forward, compare, back }: Learning,
): DeviceTuning {
  const parts = batch / most;
  const losses = take(4 * Math.max(AHEAD * parts, all));
  const [step, rates] = [take(4), take(2 * 4 * AHEAD)];
  let steps = 0;

  /** The mean loss of what has been compared, into its place. */
  const sum = (sequences: number, at: { step: number; stride: number; place: number }) => {
    const ends = [{ pointer: losses }, { pointer: at.step }, at.stride, at.place];
    kernels.once('loss_sum', [{ pointer: ofRows }, sequences * seqlen, ...ends]);
  };
  const found = (count: number) => {
    const values = new Float32Array(count);
    gpu.download(losses, values);
    return values;
  };

  /** The loss and the gradients of a part of a batch, which has been put where it is read. */
  const passThrough = (part: number) => {
    forward(most);
    compare(most, batch);
    sum(most, { step, stride: parts, place: part });
    back(most, part > 0);
  };

  /** The losses and the gradients of a batch whose sequences are in order from a place on. */
  const goDown = async (place: number) => {
    for (let part = 0; part < parts; part++) {
      await examples.put(place + part * most, most, places);
      passThrough(part);
    }
  };

  const endStep = () => {
    parameters.step(rates, step);
    kernels.once('next', [{ pointer: step }]);
  };
  /** A whole step without the host, which says neither its sequences nor its rate. */
  const stepBy = (put: NonNullable<DeviceExamples['putOfStep']>) => {
    for (let part = 0; part < parts; part++) {
      put({ step, stride: batch, first: part * most }, most, places);
      passThrough(part);
    }
    endStep();
  };
  const { putOfStep } = examples;
  let recording: ReturnType<CudaArithmetic['record']> | undefined;

  /** Steps that are few enough for the device's tables. @returns their losses */
  const descendSome = async (way: readonly TuneStep[]): Promise<number[]> => {
    examples.order(way.flatMap(({ sequences }) => sequences));
    const factors = way.flatMap(({ rate }, i) => {
      const t = steps + i + 1;
      return [rate / (1 - BETA1 ** t), 1 / Math.sqrt(1 - BETA2 ** t)];
    });
    gpu.upload(rates, Float32Array.from(factors));
    gpu.fill(step, 0, 4);
    for (let i = 0; i < way.length; i++) {
      if (recording !== undefined) recording.replay();
      else {
        await goDown(i * batch);
        endStep();
        // What has been done once can be recorded.
        if (putOfStep !== undefined) {
          recording = gpu.record(() => {
            stepBy(putOfStep);
          });
        }
      }
    }
    steps += way.length;
    const of = found(way.length * parts);
    return way.map((_, i) => of.subarray(i * parts, (i + 1) * parts).reduce((a, b) => a + b, 0) / parts);
  };

  return {
    async loss(sequences: readonly number[]) {
      signal?.throwIfAborted();
      examples.order(sequences);
      const counts: number[] = [];
      for (let place = 0; place < sequences.length; place += most) {
        const count = Math.min(most, sequences.length - place);
        await examples.put(place, count, places);
        forward(count);
        compare(count);
        sum(count, { step: zero, stride: 0, place: counts.length });
        counts.push(count);
      }
      return found(counts.length).reduce((total, loss, i) => total + loss * counts[i]!, 0) / sequences.length;
    },
    async descend(way: readonly TuneStep[], onLoss: (loss: number) => void) {
      let done = 0;
      for (let first = 0; first < way.length; first += AHEAD) {
        // Whoever wants to stop is heard.
        await setImmediate();
        signal?.throwIfAborted();
        for (const loss of await descendSome(way.slice(first, first + AHEAD))) {
          if (!Number.isFinite(loss)) return done;
          done++;
          onLoss(loss);
        }
      }
      return done;
    },
    async gradients(sequences) {
      examples.order(sequences);
      gpu.fill(step, 0, 4);
      await goDown(0);
      return parameters.gradients();
    },
    keep: parameters.keep,
    kept: parameters.kept,
    place: parameters.place,
    release() {
      recording?.release();
      release();
      return Promise.resolve();
    },
  };
}
