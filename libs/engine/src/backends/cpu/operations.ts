import { pageFloats, type BatchLayout, type InferenceKernels } from '@esparse/kernels';
import type { ModelDescription, OperationName, OpNamed, ProgramOp } from '@esparse/model';
import { prepareExperts } from './experts.ts';
import { weightsOf, named, type SectionWeights } from './model-weights.ts';
import type { RotaryTables } from './rotary-tables.ts';
import { prepareRouter } from './router.ts';
import type { Scratch } from './scratch.ts';
import type { createSection } from './section.ts';

/** How an operation of a program runs on the CPU. */
interface CpuOperation<Op> {
  /** Looks up what the operation needs, once for each block; what it gives is called at every step. */
  prepare(op: Op, context: OperationContext): Action;
  /** Floats that it keeps of 16 tokens, for the steps to come. @default none */
  pageFloats?(op: Op): number;
}

/** One operation of a block, or outside of them: reads and writes the values of the step. */
export type Action = (values: readonly Float32Array[], tokens: number) => void;

/** What operations may ask for. */
export interface OperationContext {
  /** What it calls. */
  readonly kernels: InferenceKernels;
  /** The tokens of the step. */
  readonly tokens: Uint32Array;
  /** Where the tokens of the step stand. */
  readonly layout: BatchLayout;
  readonly rotary: RotaryTables;
  readonly weights: SectionWeights;
  /** What the program is of. */
  readonly description: ModelDescription;
  /** Memory for as long as the operation runs. */
  readonly scratch: Scratch;
  /** Makes a program within the operation ready to run. */
  readonly section: typeof createSection;
  /** Index of a value by its name. */
  readonly value: (name: string) => number;
  /** Channels of a value. */
  readonly width: (name: string) => number;
  /** The part of the key-value cache that belongs to the operation. */
  readonly cache: Float32Array;
}

/** One entry an operation: without it the library does not compile. */
const OPERATIONS: { readonly [Name in OperationName]: CpuOperation<OpNamed<Name>> } = {
  embedding: {
    prepare({ table: name, index, offset, output }, { kernels, value, weights, tokens, layout }) {
      const [y, table] = [value(output), named(weights.tables, name)];
      const indices = index === 'token' ? tokens : layout.positions;
      const rows = index === 'token' && offset === 0 ? tokens : new Uint32Array(indices.length);
      return (values, count) => {
        if (rows !== tokens) for (let i = 0; i < count; i++) rows[i] = indices[i]! + offset;
        kernels.gatherRows(table, rows, count, values[y]!);
      };
    },
  },
  rmsNorm: {
    prepare({ input, output, weight, epsilon, offset = 0, groups = 1 }, { kernels, value, weights }) {
      const [x, y, given] = [value(input), value(output), named(weights.vectors, weight)];
      const scale = offset === 0 ? given : given.map((element) => element + offset);
      return (values, tokens) => {
        kernels.rmsNorm(values[x]!, scale, epsilon, tokens * groups, values[y]!);
      };
    },
  },
  layerNorm: {
    prepare({ input, output, weight, bias, epsilon }, { kernels, value, weights }) {
      const [x, y] = [value(input), value(output)];
      const [scale, shift] = [named(weights.vectors, weight), named(weights.vectors, bias)];
      return (values, tokens) => {
        kernels.layerNorm(values[x]!, scale, shift, epsilon, tokens, values[y]!);
      };
    },
  },
  linear: {
    prepare({ input, output, linear: name }, { value, weights }) {
      const [x, y, linear] = [value(input), value(output), named(weights.linears, name)];
      return (values, tokens) => {
        linear.apply(values[x]!, tokens, values[y]!);
      };
    },
  },
  rope: {
    prepare({ input, output, heads, headDim, spec }, { kernels, value, rotary, layout }) {
      const [x, y, tables] = [value(input), value(output), rotary(spec)];
      const shape = { heads, headDim, rotated: spec.channels };
      return (values, tokens) => {
        kernels.rope(values[x]!, shape, tables, layout.positions, tokens, values[y]!);
      };
    },
  },
  attention: {
    prepare(op, { kernels, value, cache, layout, weights }) {
      const [q, k, v, y] = [value(op.query), value(op.key), value(op.value), value(op.output)];
      const sinks = op.sinks === undefined ? undefined : named(weights.vectors, op.sinks);
      return (values, tokens) => {
        kernels.attention(values[q]!, values[k]!, values[v]!, cache, op, layout, tokens, values[y]!, sinks);
      };
    },
    pageFloats,
  },
  activation: {
    prepare({ activation, input, output }, { kernels, value, width }) {
      const [x, y, channels] = [value(input), value(output), width(input)];
      const run = { relu: kernels.relu, gelu: kernels.gelu }[activation];
      return (values, tokens) => {
        run(values[x]!, tokens * channels, values[y]!);
      };
    },
  },
  gatedActivation: {
    prepare({ activation, gate, up, output }, { kernels, value, width }) {
      const [g, u, y, channels] = [value(gate), value(up), value(output), width(gate)];
      const run = { silu: kernels.gatedSilu, gelu: kernels.gatedGelu }[activation];
      return (values, tokens) => {
        run(values[g]!, values[u]!, tokens * channels, values[y]!);
      };
    },
  },
  clampedSwiglu: {
    prepare(op, { kernels, value, width }) {
      const [g, u, y, channels] = [value(op.gate), value(op.up), value(op.output), width(op.gate)];
      return (values, tokens) => {
        kernels.clampedSwiglu(values[g]!, values[u]!, op, tokens * channels, values[y]!);
      };
    },
  },
  router: { prepare: prepareRouter },
  experts: { prepare: prepareExperts },
  add: {
    prepare({ left, right, output }, { kernels, value, width }) {
      const [a, b, y, channels] = [value(left), value(right), value(output), width(left)];
      return (values, tokens) => {
        kernels.add(values[a]!, values[b]!, tokens * channels, values[y]!);
      };
    },
  },
  scale: {
    prepare({ input, output, factor }, { kernels, value, width }) {
      const [x, y, channels] = [value(input), value(output), width(input)];
      return (values, tokens) => {
        kernels.scale(values[x]!, factor, tokens * channels, values[y]!);
      };
    },
  },
  logits: {
    prepare({ input, output, weight }, { kernels, value, weights }) {
      const [x, y, head] = [
        value(input),
        value(output),
        kernels.createLinear(weightsOf(named(weights.tables, weight))),
      ];
      return (values, tokens) => {
        head.apply(values[x]!, tokens, values[y]!);
      };
    },
  },
};

/** How a program's operation runs on the CPU. */
export function cpuOperationOf(op: ProgramOp): CpuOperation<ProgramOp> {
  return OPERATIONS[op.op];
}
