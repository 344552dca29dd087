import { setImmediate } from 'node:timers/promises';
import type { OpenTuningBackend, TuneStep, TuningBackend, TuningBackendOptions, Values } from '../backend.ts';
import type { CudaArithmetic } from '@esparse/cuda';
import { passingExamples, residentExamples, type DeviceExamples } from './examples.ts';
import { createKernels } from './kernels.ts';
import { createMemory, type Memory } from './memory.ts';
import { createParameters } from './parameters.ts';
import { createPass, layPass, planBlock, type BlockPlan } from './pass.ts';
import { findRoom, type Room } from './room.ts';

/** Steps that are asked for before the losses of the first are looked at: the host waits for the device as rarely. */
const AHEAD = 32;
/** Adam's decays: see `kernels/tune/adam.cuh`. */
const [BETA1, BETA2] = [0.9, 0.999];

/** A block that is tuned on a GPU. */
export interface CudaBlock extends TuningBackend {
  /** The gradients of the mean loss of a batch. */
  gradients(sequences: readonly number[]): Promise<Values>;
}

/** What goes on there, and is to be told. */
type Report = (text: string) => void;

/**
 * Tuning by CUDA: masters, moments and gradients of the block, and the hidden states, are on the device, matrix products are bf16
 * with f32 sums. What depends on a step alone, its sequences and Adam's factors, is sent for some steps at a time.
 * @param gpu the device, which stays open
 * @param report told where a batch does not fit at once
 */
export function cudaTuning(gpu: CudaArithmetic, report?: Report): OpenTuningBackend {
  return (given) => openCudaBlock(gpu, given, report);
}

export async function openCudaBlock(
  gpu: CudaArithmetic,
  given: TuningBackendOptions,
  report?: Report,
): Promise<CudaBlock> {
  const { batch } = given;
  const plan = planBlock(given.description, given.block);
  gpu.load('tune');
  const room = findRoom(plan, given, gpu.roomBytes());
  if (room.atOnce < batch)
    report?.(`a batch of ${batch} sequences goes through the block ${room.atOnce} at a time`);
  gpu.makeRoom(room.free);
  const memory = createMemory(gpu);
  try {
    return await layBlock(gpu, given, { plan, room, memory });
  } catch (error) {
    memory.release();
    throw error;
  }
}

/** Puts the block and its sequences on the device. */
async function layBlock(
  gpu: CudaArithmetic,
  given: TuningBackendOptions,
  { plan, room, memory }: { readonly plan: BlockPlan; readonly room: Room; readonly memory: Memory },
): Promise<CudaBlock> {
  const { description, batch, seqlen, signal } = given;
  const { atOnce: most, resident } = room;
  const { take } = memory;
  const kernels = createKernels(gpu);
  const { hidden } = description;
  const size = seqlen * hidden;
  const ordered = Math.max(AHEAD * batch, given.sequences);
  const zero = take(4);
  gpu.fill(zero, 0, 4);
  const own = { gpu, kernels, take, most: ordered, size, zero };
  // First, since they may be made on the device, too.
  const examples = await (resident ? residentExamples(given, own) : passingExamples(given, own));
  const parameters = createParameters(gpu, kernels, take, given.parameters);
  const layout = layPass(plan, { most, tokens: seqlen, back: true }, take);
  const pass = createPass(plan, layout, { gpu, kernels, take, parameter: parameters.of });
  const parts = batch / most;
  const target = take(4 * most * size);
  const ofRows = take(4 * most * seqlen);
  const losses = take(4 * Math.max(AHEAD * parts, given.sequences));
  const [step, rates] = [take(4), take(2 * 4 * AHEAD)];
  let steps = 0;

  /** The loss of what the pass has made, into its place; its gradient too where there is a scale for it. */
  const compare = (
    sequences: number,
    scale: number | undefined,
    at: { step: number; stride: number; place: number },
  ) => {
    const rows = sequences * seqlen;
    const back = scale === undefined ? { address: 0, type: 'f32' as const } : pass.ofOutput;
    const sums = { pointer: ofRows };
    kernels.rows('loss', rows, [
      ...[
        pass.output,
        { pointer: target },
        { float: scale ?? 0 },
        back,
        sums,
        given.relative === true,
        rows,
        hidden / 8,
      ],
    ]);
    kernels.once('loss_sum', [sums, rows, { pointer: losses }, { pointer: at.step }, at.stride, at.place]);
  };
  const found = (count: number) => {
    const values = new Float32Array(count);
    gpu.download(losses, values);
    return values;
  };

  const places = { input: pass.input, target };

  /** The loss and the gradients of a part of a batch, which has been put where the pass reads it. */
  const passThrough = (part: number) => {
    pass.forward(most);
    compare(most, 2 / (batch * size), { step, stride: parts, place: part });
    pass.back(most, part > 0);
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
    const all = found(way.length * parts);
    return way.map((_, i) => all.subarray(i * parts, (i + 1) * parts).reduce((a, b) => a + b, 0) / parts);
  };

  return {
    async loss(sequences: readonly number[]) {
      signal?.throwIfAborted();
      examples.order(sequences);
      const counts: number[] = [];
      for (let place = 0; place < sequences.length; place += most) {
        const count = Math.min(most, sequences.length - place);
        await examples.put(place, count, places);
        pass.forward(count);
        compare(count, undefined, { step: zero, stride: 0, place: counts.length });
        counts.push(count);
      }
      return found(counts.length).reduce((sum, loss, i) => sum + loss * counts[i]!, 0) / sequences.length;
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
      memory.release();
      return Promise.resolve();
    },
  };
}
