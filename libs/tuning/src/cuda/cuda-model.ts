import { BLOCK_OUTPUT, kindOf, type ModelDescription } from '@esparse/model';
import type { CudaArithmetic } from '@esparse/cuda';
import type { OpenTuningBackend, TuningBackendOptions, Values } from '../backend.ts';
import type { TunedParameter } from '../tune-block.ts';
import { openExamples } from './examples.ts';
import { createKernels } from './kernels.ts';
import { createLogits, layLogits } from './logits.ts';
import { countMemory, type Memory, type TakeMemory } from './memory.ts';
import { splitHead, type ModelHead } from './model-head.ts';
import { openOn, type Opening, type Report } from './open.ts';
import { createParameters, type Parameters } from './parameters.ts';
import { createPass, layPass, planBlock, planProgram, type BlockPlan } from './pass.ts';
import { parameterBytes, roomFor, type Asked, type Room } from './room.ts';
import { createSteps, type DeviceTuning } from './steps.ts';
import type { Tensor } from './tensor.ts';

/** The slot of a block's parameter among those of all blocks. */
export function modelSlot(block: number, slot: string): string {
  return `${block}/${slot}`;
}

/**
 * Tuning of all blocks of a model at once, by the tokens that the dense model expects: the loss is the divergence of theirs from its own.
 * Parameters have slots of `modelSlot`, inputs are embedded tokens, targets what the dense model's last block makes of them. What goes into
 * each block is kept; the way back through a block begins with the way there again, so that the values of one block are in memory.
 */
export function cudaModelTuning(gpu: CudaArithmetic, head: ModelHead, report?: Report): OpenTuningBackend {
  return (given) => openCudaModel(gpu, head, given, report);
}

export async function openCudaModel(
  gpu: CudaArithmetic,
  head: ModelHead,
  given: TuningBackendOptions,
  report?: Report,
): Promise<DeviceTuning> {
  const { description, batch, seqlen, sequences, parameters } = given;
  const plans = plansOf(description);
  const { hidden, vocab } = description;
  const asked: Asked = {
    ...{ batch, states: 2 * 4 * sequences * seqlen * hidden },
    fixed: parameterBytes(parameters) + 2 * vocab * hidden,
    through: (most) =>
      countMemory((take) => {
        layModel(description, plans, { most, seqlen }, take);
        layLogits(take, { vocab, rows: most * seqlen });
      }),
  };
  const opening: Opening = {
    ...{ what: 'model', batch },
    find: (freeBytes) => roomFor(`this ${description.family} model as a whole`, freeBytes, asked),
    place: (room, memory) => placeModel(gpu, head, given, { plans, room, memory }),
  };
  return openOn(gpu, opening, report);
}

/** Of each kind of block, and of what is behind the last but for the logits. */
interface Plans {
  readonly blocks: readonly BlockPlan[];
  readonly head: BlockPlan;
}

function plansOf(description: ModelDescription): Plans {
  const { operations, logits } = splitHead(description);
  return {
    blocks: description.program.blocks.map((_, kind) => {
      const block = Array.from({ length: description.blocks }, (_, k) => k).find(
        (k) => kindOf(description.program, k) === kind,
      );
      return planBlock(description, block ?? 0);
    }),
    head: planProgram(description, { operations, input: BLOCK_OUTPUT, output: logits.input }),
  };
}

/** Takes the memory of what goes through a model at once. */
function layModel(
  description: ModelDescription,
  { blocks, head }: Plans,
  { most, seqlen }: { readonly most: number; readonly seqlen: number },
  take: TakeMemory,
) {
  const { hidden } = description;
  const [rows, pass] = [most * seqlen, { most, tokens: seqlen, back: true, ofInput: true }];
  const states = () => take(4 * rows * hidden);
  return {
    kinds: blocks.map((plan) => layPass(plan, pass, take)),
    head: layPass(head, pass, take),
    /** What goes into each block, and comes out of the last; the target. */
    states: Array.from({ length: description.blocks + 1 }, states),
    target: states(),
    /** What the target becomes before the logits. */
    wanted: take(2 * rows * hidden),
    ofRows: take(4 * rows),
  };
}

/** Puts the model and its sequences on the device. */
async function placeModel(
  gpu: CudaArithmetic,
  head: ModelHead,
  given: TuningBackendOptions,
  {
    plans,
    room: { atOnce: most, resident },
    memory: { take, release },
  }: { readonly plans: Plans; readonly room: Room; readonly memory: Memory },
): Promise<DeviceTuning> {
  const { description, seqlen } = given;
  const { hidden, vocab, blocks: count } = description;
  const kernels = createKernels(gpu);
  const { zero, examples } = await openExamples(given, { gpu, kernels, take, resident });
  const layout = layModel(description, plans, { most, seqlen }, take);
  const ofBlocks = Array.from({ length: count }, (_, block) => {
    return createParameters(gpu, kernels, take, ofBlock(given.parameters, block));
  });
  const passes = ofBlocks.map(({ of: parameter }, block) => {
    const kind = kindOf(description.program, block);
    return createPass(plans.blocks[kind]!, layout.kinds[kind]!, { gpu, kernels, take, parameter });
  });
  const fixed = [...head.tensors].map(
    ([name, values]) => [name, { values, dtype: 'f32', fixed: true }] as const,
  );
  const outer = createParameters(gpu, kernels, take, new Map<string, TunedParameter>(fixed));
  const last = createPass(plans.head, layout.head, { gpu, kernels, take, parameter: outer.of });
  const matrix = take(head.matrix.byteLength);
  gpu.upload(matrix, head.matrix);
  const logits = createLogits(gpu, kernels, take, { head: matrix, vocab, hidden, rows: most * seqlen });
  const { states, target, wanted, ofRows } = layout;
  const f32 = (address: number) => ({ address, type: 'f32' as const });
  const copy = (to: Tensor, from: Tensor, sequences: number) => {
    const eights = (sequences * seqlen * hidden) / 8;
    const ends = [{ ...to, accumulate: false }, { long: eights }];
    kernels.elements('scale', eights, [from, { float: 1 }, ...ends]);
  };
  return createSteps(
    given,
    { gpu, kernels, take, examples, most, zero, release },
    {
      ...{ places: { input: states[0]!, target }, parameters: together(ofBlocks), ofRows },
      forward(sequences) {
        for (const [block, pass] of passes.entries()) {
          copy(f32(pass.input), f32(states[block]!), sequences);
          pass.forward(sequences);
          copy(f32(states[block + 1]!), pass.output, sequences);
        }
      },
      compare(sequences, ofBatch) {
        const rows = sequences * seqlen;
        copy(f32(last.input), f32(target), sequences);
        last.forward(sequences);
        gpu.copy(wanted, last.output.address, 2 * rows * hidden);
        copy(f32(last.input), f32(states[count]!), sequences);
        last.forward(sequences);
        const factor = ofBatch === undefined ? 0 : 1 / (ofBatch * seqlen);
        const back = ofBatch === undefined ? undefined : { to: last.ofOutput.address, factor };
        logits.compare(rows, { wanted, found: last.output.address }, ofRows, back);
      },
      back(sequences, accumulate) {
        last.back(sequences, accumulate);
        let given = last.ofInput!;
        for (let block = count - 1; block >= 0; block--) {
          const pass = passes[block]!;
          copy(pass.ofOutput, given, sequences);
          copy(f32(pass.input), f32(states[block]!), sequences);
          // What it left when it was gone through is another block's since.
          pass.forward(sequences);
          pass.back(sequences, accumulate);
          given = pass.ofInput!;
        }
      },
    },
  );
}

/** What belongs to one block, by its own slots. */
function ofBlock<T>(all: ReadonlyMap<string, T>, block: number): ReadonlyMap<string, T> {
  const prefix = modelSlot(block, '');
  const own = [...all].filter(([slot]) => slot.startsWith(prefix));
  return new Map(own.map(([slot, each]) => [slot.slice(prefix.length), each]));
}

/** The parameters of all blocks, as those of one. */
function together(blocks: readonly Parameters[]): Omit<Parameters, 'of'> {
  const joined = (read: (parameters: Parameters) => Values): Values =>
    new Map(
      blocks.flatMap((parameters, block) =>
        [...read(parameters)].map(([slot, values]) => [modelSlot(block, slot), values] as const),
      ),
    );
  return {
    step(rates, step) {
      for (const parameters of blocks) parameters.step(rates, step);
    },
    gradients: () => joined((parameters) => parameters.gradients()),
    keep() {
      for (const parameters of blocks) parameters.keep();
    },
    kept: () => joined((parameters) => parameters.kept()),
    place(values) {
      for (const [block, parameters] of blocks.entries()) parameters.place(ofBlock(values, block));
    },
  };
}
