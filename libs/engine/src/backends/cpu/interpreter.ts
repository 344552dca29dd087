import { EsparseError } from '@esparse/errors';
import {
  add,
  attention,
  gatedSilu,
  layerNorm,
  relu,
  rmsNorm,
  rope,
  type Linear,
  type TokenPlaces,
} from '@esparse/kernels';
import {
  BLOCK_INPUT,
  type Activation,
  type BlockOp,
  type GateActivation,
  type ModelDescription,
} from '@esparse/model';
import type { KeyValueCache } from './key-value-cache.ts';
import type { BlockWeights } from './model-weights.ts';
import { planProgram } from './plan.ts';
import type { RotaryTables } from './rotary-tables.ts';

/** Runs every block of a model over the tokens of a step. */
export interface Interpreter {
  /**
   * The residual stream, (maxTokens x hidden): the first `tokens` rows are what goes into block 0, and after `run` what
   * comes out of the last one.
   */
  readonly hidden: Float32Array;
  run(tokens: number): void;
}

export interface InterpreterOptions {
  readonly description: ModelDescription;
  readonly blocks: readonly BlockWeights[];
  readonly cache: KeyValueCache;
  readonly rotary: RotaryTables | undefined;
  /** Where the tokens of the step stand; filled by the caller before each run. */
  readonly places: TokenPlaces;
  /** The most tokens of a step. */
  readonly maxTokens: number;
}

/** One operation of one block: reads and writes the values of the step. */
type Action = (values: readonly Float32Array[], tokens: number) => void;

/**
 * Turns the description's program, the one that the ONNX graph is built from, into calls of kernels, block by block.
 * Buffers for the largest step are made here, and nothing but views of them later.
 */
export function createInterpreter(options: InterpreterOptions): Interpreter {
  const { description, blocks, maxTokens } = options;
  const plan = planProgram(description);
  const buffers = plan.buffers.map((width) => new Float32Array(maxTokens * width));
  const actions = blocks.flatMap((weights, block) => {
    // The attentions of a block have a part of the cache each.
    let attentions = 0;
    return description.program.map((op) =>
      actionOf(op, {
        ...options,
        value: plan.indexOf,
        width: (name) => plan.values[plan.indexOf(name)]!.width,
        weights,
        cache: (): Float32Array => options.cache.part(block, attentions++),
      }),
    );
  });
  let values: Float32Array[] = [];
  let sized = -1;
  return {
    hidden: buffers[plan.values[plan.indexOf(BLOCK_INPUT)]!.buffer]!,
    run(tokens) {
      // Decoding steps have the same number of tokens again and again.
      if (tokens !== sized) {
        values = plan.values.map(({ buffer, width }) => buffers[buffer]!.subarray(0, tokens * width));
        sized = tokens;
      }
      for (let i = 0; i < actions.length; i++) actions[i]!(values, tokens);
    },
  };
}

interface ActionContext {
  readonly places: TokenPlaces;
  readonly rotary: RotaryTables | undefined;
  readonly weights: BlockWeights;
  /** Index of a value by its name. */
  readonly value: (name: string) => number;
  /** Channels of a value. */
  readonly width: (name: string) => number;
  /** The part of the cache of the block's next attention. */
  readonly cache: () => Float32Array;
}

function actionOf(op: BlockOp, context: ActionContext): Action {
  const { places, rotary, weights, value, width } = context;
  const y = value(op.output);
  switch (op.op) {
    case 'rmsNorm': {
      const x = value(op.input);
      const weight = of(weights.vectors, op.weight);
      return (values, tokens) => {
        rmsNorm(values[x]!, weight, op.epsilon, tokens, values[y]!);
      };
    }
    case 'layerNorm': {
      const x = value(op.input);
      const [weight, bias] = [of(weights.vectors, op.weight), of(weights.vectors, op.bias)];
      return (values, tokens) => {
        layerNorm(values[x]!, weight, bias, op.epsilon, tokens, values[y]!);
      };
    }
    case 'linear': {
      const x = value(op.input);
      const linear: Linear = of(weights.linears, op.linear);
      return (values, tokens) => {
        linear.apply(values[x]!, tokens, values[y]!);
      };
    }
    case 'rope': {
      const x = value(op.input);
      if (rotary === undefined) throw new EsparseError('internal', 'the model describes no rotary embedding');
      const { cos, sin } = rotary;
      return (values, tokens) => {
        rope(values[x]!, op.heads, op.headDim, cos, sin, places.positions, tokens, values[y]!);
      };
    }
    case 'attention': {
      const [query, key, v] = [value(op.query), value(op.key), value(op.value)];
      const cache = context.cache();
      return (values, tokens) => {
        attention(values[query]!, values[key]!, values[v]!, cache, op, places, tokens, values[y]!);
      };
    }
    case 'activation': {
      const [x, channels] = [value(op.input), width(op.input)];
      const run = ACTIVATIONS[op.activation];
      return (values, tokens) => {
        run(values[x]!, tokens * channels, values[y]!);
      };
    }
    case 'gatedActivation': {
      const [gate, up, channels] = [value(op.gate), value(op.up), width(op.gate)];
      const run = GATED[op.activation];
      return (values, tokens) => {
        run(values[gate]!, values[up]!, tokens * channels, values[y]!);
      };
    }
    case 'add': {
      const [left, right, channels] = [value(op.left), value(op.right), width(op.left)];
      return (values, tokens) => {
        add(values[left]!, values[right]!, tokens * channels, values[y]!);
      };
    }
  }
}

const ACTIVATIONS: Record<Activation, typeof relu> = { relu };
const GATED: Record<GateActivation, typeof gatedSilu> = { silu: gatedSilu };

function of<T>(map: ReadonlyMap<string, T>, name: string): T {
  const found = map.get(name);
  if (found === undefined) throw new EsparseError('internal', `the block has no parameter '${name}'`);
  return found;
}
