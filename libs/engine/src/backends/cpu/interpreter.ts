import type { BatchLayout, InferenceKernels } from '@esparse/kernels';
import { BLOCK_INPUT, BLOCK_OUTPUT, kindOf, LOGITS, type ModelDescription } from '@esparse/model';
import type { KeyValueCache } from './key-value-cache.ts';
import type { ModelWeights } from './model-weights.ts';
import type { RotaryTables } from './rotary-tables.ts';
import { Scratch } from './scratch.ts';
import { createSection, type Section, type SectionOptions } from './section.ts';

/** Runs a model over the tokens of a step. */
export interface Interpreter {
  /** The tokens of the step; filled by the caller before each run. */
  readonly tokens: Uint32Array;
  /** Takes the first `count` tokens through the embedding and every block. */
  run(count: number): void;
  /**
   * The logits after some of the tokens of the last run, (count x vocab); valid until the next call.
   *
   * @param rows which tokens, as many as `count` says
   */
  logits(rows: Int32Array, count: number): Float32Array;
}

export interface InterpreterOptions {
  readonly description: ModelDescription;
  readonly kernels: InferenceKernels;
  readonly weights: ModelWeights;
  readonly cache: KeyValueCache;
  readonly rotary: RotaryTables;
  /** Where the tokens of the step stand; filled by the caller before each run. */
  readonly layout: BatchLayout;
  /** The most tokens of a step. */
  readonly maxTokens: number;
}

const NO_CACHE = new Float32Array(0);

/**
 * Turns the description's program, the one that the ONNX graphs are built from, into calls of kernels. Buffers for the
 * largest step are made here, and nothing but views of them later; those of the head grow to the most rows that were ever
 * wanted at once.
 */
export function createInterpreter(options: InterpreterOptions): Interpreter {
  const { description, kernels, weights, cache, rotary, layout, maxTokens } = options;
  const { program, hidden: width, vocab } = description;
  const tokens = new Uint32Array(maxTokens);
  const scratch = new Scratch();
  const outside = () => ({
    ...{ kernels, tokens, layout, rotary, scratch },
    weights: weights.outer,
    cache: NO_CACHE,
  });
  const embed = createSection({
    description,
    program: program.embed,
    ends: { output: BLOCK_INPUT },
    contexts: [outside],
  });
  const contexts = program.blocks.map((): SectionOptions['contexts'][number][] => []);
  const order = weights.blocks.map((own, block) => {
    const kind = kindOf(program, block);
    const context = (operation: number) => ({
      ...outside(),
      weights: own,
      cache: cache.part(block, operation),
    });
    return { kind, repetition: contexts[kind]!.push(context) - 1 };
  });
  const kinds = program.blocks.map((operations, kind) =>
    createSection({
      description,
      program: operations,
      ends: { input: BLOCK_INPUT, output: BLOCK_OUTPUT },
      contexts: contexts[kind]!,
    }),
  );
  const head = createSection({
    description,
    program: program.head,
    ends: { input: BLOCK_OUTPUT },
    contexts: [outside],
  });

  /** The residual stream. */
  const hidden = new Float32Array(maxTokens * width);
  const embedBuffers = buffersOf([embed], maxTokens, hidden);
  const blockBuffers = buffersOf(kinds, maxTokens, hidden);
  let headBuffers: Float32Array[] = [];
  let headRows = 0;

  return {
    tokens,
    run(count) {
      embed.run(count, embedBuffers);
      for (const { kind, repetition } of order) kinds[kind]!.run(count, blockBuffers, repetition);
    },
    logits(rows, count) {
      if (headRows < count) {
        headBuffers = buffersOf([head], count, new Float32Array(count * width));
        headRows = count;
      }
      for (let i = 0; i < count; i++) {
        const from = rows[i]! * width;
        headBuffers[0]!.set(hidden.subarray(from, from + width), i * width);
      }
      head.run(count, headBuffers);
      return headBuffers[head.bufferOf(LOGITS)]!.subarray(0, count * vocab);
    },
  };
}

/** Buffers that serve each of the sections: as many as the one with most has, as wide as any needs them. */
function buffersOf(sections: readonly Section[], rows: number, first: Float32Array): Float32Array[] {
  const most = Math.max(...sections.map(({ buffers }) => buffers.length));
  const widths = Array.from({ length: most }, (_, i) =>
    Math.max(...sections.map(({ buffers }) => buffers[i] ?? 0)),
  );
  return [first, ...widths.slice(1).map((width) => new Float32Array(rows * width))];
}
