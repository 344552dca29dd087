import type { CudaArithmetic } from '@esparse/cuda';
import type { OpenTuningBackend, TuningBackendOptions } from '../backend.ts';
import { openExamples } from './examples.ts';
import { createKernels } from './kernels.ts';
import type { Memory } from './memory.ts';
import { openOn, type Opening, type Report } from './open.ts';
import { createParameters } from './parameters.ts';
import { createPass, layPass, planBlock, type BlockPlan } from './pass.ts';
import { findRoom, type Room } from './room.ts';
import { createSteps, type DeviceTuning } from './steps.ts';

/**
 * Tuning by CUDA: masters, moments and gradients of the block, and the hidden states, are on the device, matrix products are bf16
 * with f32 sums.
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
): Promise<DeviceTuning> {
  const plan = planBlock(given.description, given.block);
  const opening: Opening = {
    ...{ what: 'block', batch: given.batch },
    find: (freeBytes) => findRoom(plan, given, freeBytes),
    place: (room, memory) => layBlock(gpu, given, { plan, room, memory }),
  };
  return openOn(gpu, opening, report);
}

/** Puts the block and its sequences on the device. */
async function layBlock(
  gpu: CudaArithmetic,
  given: TuningBackendOptions,
  {
    plan,
    room: { atOnce: most, resident },
    memory: { take, release },
  }: { readonly plan: BlockPlan; readonly room: Room; readonly memory: Memory },
): Promise<DeviceTuning> {
  const { description, seqlen, relative } = given;
  const kernels = createKernels(gpu);
  // First, since they may be made on the device, too.
  const { zero, examples } = await openExamples(given, { gpu, kernels, take, resident });
  const parameters = createParameters(gpu, kernels, take, given.parameters);
  const layout = layPass(plan, { most, tokens: seqlen, back: true }, take);
  const pass = createPass(plan, layout, { gpu, kernels, take, parameter: parameters.of });
  const { hidden } = description;
  const size = seqlen * hidden;
  const target = take(4 * most * size);
  const ofRows = take(4 * most * seqlen);
  return createSteps(
    given,
    { gpu, kernels, take, examples, most, zero, release },
    {
      ...{ places: { input: pass.input, target }, parameters, ofRows },
      forward: pass.forward,
      compare(sequences, ofBatch) {
        const rows = sequences * seqlen;
        const scale = { float: ofBatch === undefined ? 0 : 2 / (ofBatch * size) };
        const to = ofBatch === undefined ? { address: 0, type: 'f32' as const } : pass.ofOutput;
        const ends = [{ pointer: ofRows }, relative === true, rows, hidden / 8];
        kernels.rows('loss', rows, [pass.output, { pointer: target }, scale, to, ...ends]);
      },
      back: pass.back,
    },
  );
}
