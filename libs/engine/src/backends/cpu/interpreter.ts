import type { BatchLayout } from '@esparse/kernels';
import { BLOCK_INPUT, type ModelDescription } from '@esparse/model';
import type { KeyValueCache } from './key-value-cache.ts';
import type { BlockWeights } from './model-weights.ts';
import { cpuOperationOf } from './operations.ts';
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
  readonly layout: BatchLayout;
  /** The most tokens of a step. */
  readonly maxTokens: number;
}

/**
 * Turns the description's program, the one that the ONNX graph is built from, into calls of kernels, block by block.
 * Buffers for the largest step are made here, and nothing but views of them later.
 */
export function createInterpreter(options: InterpreterOptions): Interpreter {
  const { description, blocks, cache, maxTokens } = options;
  const plan = planProgram(description);
  const buffers = plan.buffers.map((width) => new Float32Array(maxTokens * width));
  const actions = blocks.flatMap((weights, block) =>
    description.program.map((op, i) =>
      cpuOperationOf(op).prepare(op, {
        ...options,
        value: plan.indexOf,
        width: (name) => plan.values[plan.indexOf(name)]!.width,
        weights,
        cache: cache.part(block, i),
      }),
    ),
  );
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
