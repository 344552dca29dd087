import { EsparseError } from '@esparse/errors';
import {
  BLOCK_INPUT,
  BLOCK_OUTPUT,
  kindOf,
  neededFor,
  operationOf,
  ropeTables,
  widthsOf,
  type BlockOp,
  type ModelDescription,
  type RopeSpec,
} from '@esparse/model';
import type { CudaArithmetic } from '@esparse/cuda';
import type { Kernels } from './kernels.ts';
import type { TakeMemory } from './memory.ts';
import type { Pass, PassSizes } from './operation.ts';
import { cudaOperationOf } from './operations/index.ts';
import type { LearntParameter } from './parameters.ts';
import { BYTES, type Tensor } from './tensor.ts';

/** The program of a block, or of what comes behind the last, and what its values are on the device. */
export interface BlockPlan {
  readonly description: ModelDescription;
  readonly program: readonly BlockOp[];
  /** The values that it begins and ends with. */
  readonly input: string;
  readonly output: string;
  readonly width: (value: string) => number;
  /** The types of values: sums, in which the residual lives, are f32, and so is what begins the block. */
  readonly typeOf: (value: string) => Tensor['type'];
  /** Those of their gradients: f32 too where several parts are added up. */
  readonly gradientTypeOf: (value: string) => Tensor['type'];
}

/** @throws EsparseError 'unsupported' for a block that is not tuned on the device */
export function planBlock(description: ModelDescription, block: number): BlockPlan {
  const kind = kindOf(description.program, block);
  const operations = description.program.blocks[kind]!;
  return planProgram(description, { operations, input: BLOCK_INPUT, output: BLOCK_OUTPUT });
}

/**
 * Plans what of some operations a value needs.
 * @throws EsparseError 'unsupported' as `planBlock`
 */
export function planProgram(
  description: ModelDescription,
  {
    operations,
    input,
    output,
  }: { readonly operations: readonly BlockOp[]; readonly input: string; readonly output: string },
): BlockPlan {
  const program = neededFor(operations, [output]);
  for (const op of program) cudaOperationOf(description, op);
  const widths = widthsOf(description, program, { [input]: description.hidden });
  for (const [value, width] of widths) {
    if (width % 8 === 0) continue;
    throw new EsparseError(
      'unsupported',
      `a block of this ${description.family} model is not tuned on a GPU: its value '${value}' has ${width} channels`,
      { hint: 'numbers of channels must be multiples of 8; `prune --device cpu` tunes any block by block' },
    );
  }
  const sums = new Set([input, ...program.flatMap((op) => (op.op === 'add' ? [op.output] : []))]);
  const readers = new Map<string, number>();
  for (const op of program) {
    for (const input of operationOf(op).inputs(op)) readers.set(input, (readers.get(input) ?? 0) + 1);
  }
  const typeOf = (value: string) => (sums.has(value) ? 'f32' : 'bf16');
  return {
    ...{ description, program, input, output },
    width: (value) => widths.get(value)!,
    typeOf,
    gradientTypeOf: (value) => ((readers.get(value) ?? 0) > 1 ? 'f32' : typeOf(value)),
  };
}

/** Forward and back through a program, over some sequences at a time. */
export interface BlockPass {
  /** Where the sequences are put, (rows x hidden), f32. */
  readonly input: number;
  /** What becomes of them. */
  readonly output: Tensor;
  /** Where the gradient of that is put. */
  readonly ofOutput: Tensor;
  /** That of the sequences, f32, where it is asked for. */
  readonly ofInput: Tensor | undefined;
  forward(sequences: number): void;
  /** @param accumulate whether the parameters' gradients are added to what is there */
  back(sequences: number, accumulate: boolean): void;
}

/** How a pass is laid out. */
export interface PassLayout {
  /** Sequences at a time, at most. */
  readonly most: number;
  readonly tokens: number;
  /** Whether it goes back. */
  readonly back: boolean;
  /** Whether it goes back to its input. @default false: to parameters alone */
  readonly ofInput?: boolean;
}

/** Takes the memory of a pass. */
export function layPass(
  { description, program, input, width, typeOf, gradientTypeOf }: BlockPlan,
  { most, tokens, back, ofInput = false }: PassLayout,
  take: TakeMemory,
) {
  const sizes: PassSizes = { sequences: most, tokens, rows: most * tokens, description, width };
  const tensor = (name: string, type: Tensor['type']): Tensor => ({
    address: take(BYTES[type] * sizes.rows * width(name)),
    type,
  });
  const values = new Map<string, Tensor>([[input, tensor(input, 'f32')]]);
  const halves = new Map<string, number>();
  const gradients = new Map<string, Tensor>();
  const halfGradients = new Map<string, number>();
  const own = new Map<string, readonly number[]>();
  const half = (name: string) => take(BYTES.bf16 * sizes.rows * width(name));
  if (ofInput) gradients.set(input, tensor(input, 'f32'));
  for (const op of program) {
    if (op.op === 'linear' && typeOf(op.input) === 'f32' && !halves.has(op.input))
      halves.set(op.input, half(op.input));
    values.set(op.output, tensor(op.output, typeOf(op.output)));
    own.set(op.output, (cudaOperationOf(description, op).memory?.(op, sizes) ?? []).map(take));
    if (!back) continue;
    const type = gradientTypeOf(op.output);
    gradients.set(op.output, tensor(op.output, type));
    if (op.op === 'linear' && type === 'f32') halfGradients.set(op.output, half(op.output));
  }
  return { sizes, values, halves, gradients, halfGradients, own };
}

export function createPass(
  plan: BlockPlan,
  layout: ReturnType<typeof layPass>,
  {
    gpu,
    kernels,
    take,
    parameter,
  }: {
    readonly gpu: CudaArithmetic;
    readonly kernels: Kernels;
    readonly take: TakeMemory;
    readonly parameter: (slot: string) => LearntParameter;
  },
): BlockPass {
  const { description, program, width } = plan;
  const { values, gradients } = layout;
  const { tokens } = layout.sizes;
  const tables = new Map<RopeSpec, { cosines: number; sines: number }>();
  const narrowed = new Set<string>();
  const given = new Set<string>();
  let accumulates = false;

  /** A bf16 copy of values of any type. */
  const narrow = (from: Tensor, to: number, elements: number) => {
    const eights = elements / 8;
    const copy = { address: to, type: 'bf16', accumulate: false } as const;
    kernels.elements('scale', eights, [from, { float: 1 }, copy, { long: eights }]);
  };
  const passOf = (sequences: number): Pass => ({
    ...{ description, sequences, tokens, rows: sequences * tokens, width, kernels, parameter },
    multiply: (product) => {
      gpu.multiply(product);
    },
    value: (name) => values.get(name)!,
    half(name) {
      const value = values.get(name)!;
      if (value.type === 'bf16') return value.address;
      const copy = layout.halves.get(name)!;
      if (!narrowed.has(name)) narrow(value, copy, sequences * tokens * width(name));
      narrowed.add(name);
      return copy;
    },
    own: (output) => layout.own.get(output)!,
    gradient: (name) => gradients.get(name)!,
    halfGradient(name) {
      const gradient = gradients.get(name)!;
      if (gradient.type === 'bf16') return gradient.address;
      const copy = layout.halfGradients.get(name)!;
      narrow(gradient, copy, sequences * tokens * width(name));
      return copy;
    },
    give(name) {
      const gradient = gradients.get(name);
      if (gradient === undefined) return undefined;
      const accumulate = given.has(name);
      given.add(name);
      return { ...gradient, accumulate };
    },
    giveParameter(slot) {
      const { gradient } = parameter(slot);
      if (gradient === undefined) return undefined;
      const accumulate = accumulates || given.has(`parameter ${slot}`);
      given.add(`parameter ${slot}`);
      return { address: gradient, type: 'f32', accumulate };
    },
    rope(spec) {
      const known = tables.get(spec);
      if (known !== undefined) return known;
      const { cos, sin } = ropeTables(spec, tokens);
      const made = { cosines: take(cos.byteLength), sines: take(sin.byteLength) };
      gpu.upload(made.cosines, cos);
      gpu.upload(made.sines, sin);
      tables.set(spec, made);
      return made;
    },
  });
  return {
    input: values.get(plan.input)!.address,
    output: values.get(plan.output)!,
    ofOutput: gradients.get(plan.output)!,
    ofInput: gradients.get(plan.input),
    forward(sequences) {
      narrowed.clear();
      const pass = passOf(sequences);
      for (const op of program) cudaOperationOf(description, op).forward(op, pass);
    },
    back(sequences, accumulate) {
      given.clear();
      accumulates = accumulate;
      const pass = passOf(sequences);
      for (const op of program.toReversed()) cudaOperationOf(description, op).back(op, pass);
    },
  };
}
