import { EsparseError } from '@esparse/errors';
import { areF32, type HiddenValues } from '@esparse/model';
import {
  embedTokens,
  embedTokensRounded,
  type LoadedBlock,
  type TapOptions,
  type TapOutput,
} from '@esparse/onnx';
import type { StoredHiddenShard } from '@esparse/store';
import { createArrayPool } from './array-pool.ts';
import type {
  AdvanceShard,
  BlockTarget,
  ComputeOptions,
  ModelTarget,
  SequenceInput,
  ShardTokens,
} from './compute-inputs.ts';
import { createFolding } from './folding.ts';
import { holdBlock } from './hold-block.ts';
import type { StatesKey } from './kept-states.ts';
import { calledBy } from './long-call.ts';
import { createModelCache, type OpenModel } from './models.ts';
import { withPlaced } from './placed-states.ts';
import { requireLanguageModel, requireShardSize, requireStates } from './require-inputs.ts';
import { withHeld } from './slot.ts';
import { tuneDraft, type TunedDraft, type TuneInput, type TuneProgress } from './tune-draft.ts';

/**
 * Everything that computes: opens models, embeds tokens, runs blocks. One model and one block are held at a time, on a GPU the next
 * block beside it.
 * ONNX Runtime's `run` holds its thread, so this lives on a thread of its own (see `compute-thread.ts`) and the one
 * that speaks gRPC stays free to send.
 *
 * @param signal ends the reading of models; what computes ends by itself
 */
export function createCompute({ threads, device = 'cpu' }: ComputeOptions, signal?: AbortSignal) {
  const models = createModelCache({ threads, device, signal });

  const withModel = <R>(target: ModelTarget, use: (open: OpenModel) => Promise<R>): Promise<R> =>
    withHeld(models.hold(target), use);

  const withLoaded = <R>(
    open: OpenModel,
    target: BlockTarget,
    use: (block: LoadedBlock) => Promise<R>,
  ): Promise<R> => withHeld(holdBlock(open, target, signal), use);

  const withBlock = <R>(input: SequenceInput, use: (block: LoadedBlock) => Promise<R>): Promise<R> =>
    withModel(input.target, (open) => {
      requireStates(open, input);
      return withLoaded(open, input.target, use);
    });

  /** Memory of shards that have been written. */
  const outputs = createArrayPool();

  return {
    ...createFolding({ hold: (target) => models.hold(target), withModel, withLoaded, signal }),

    /** Which states the device keeps. */
    kept: ({ target, keys }: { target: ModelTarget; keys: readonly StatesKey[] }): Promise<boolean[]> =>
      withModel(target, ({ opened }) =>
        Promise.resolve(keys.map((key) => opened.states?.find(key) !== undefined)),
      ),

    /**
     * Runs a shard through the block, and keeps what comes out where there is room for it.
     *
     * @returns what came out, whose memory is given back by `reuse`; undefined where the states were not there
     */
    advanceShard: ({ target, from, to }: AdvanceShard): Promise<StoredHiddenShard | undefined> =>
      withModel(target, (open) =>
        withPlaced(open, target, from, ({ values, shape }) =>
          withLoaded(open, target, async (block) => {
            if (block.advanceRounded === undefined)
              throw new EsparseError('internal', 'hidden states in bf16, where f32 is computed');
            const data = await block.advanceRounded(values, {
              into: outputs.take(values.length),
              visit: (output) => open.opened.states?.copy(to, { ...output, shape }),
            });
            return { data, shape };
          }),
        ),
      ),

    /** Takes memory of what `advanceShard` gave, which is used again. */
    reuse: (array: Uint16Array): Promise<void> => {
      outputs.give(array);
      return Promise.resolve();
    },

    /** Opens the model and checks it. */
    openModel: (target: ModelTarget) =>
      withModel(target, ({ checkpoint, description, runner }) =>
        Promise.resolve({
          modelDigest: checkpoint.digest,
          family: description.family,
          blocks: description.blocks,
          numerics: runner.numerics,
        }),
      ),

    /** The embedded tokens: (tokens x hidden), `maxBytes` at most. */
    embed: ({ target, tokens, maxBytes, rounded = false, key }: ShardTokens) =>
      withModel(target, async ({ description, weights, opened }) => {
        requireLanguageModel(description);
        const { hidden } = description;
        requireShardSize(tokens.length, target.seqlen, hidden, maxBytes);
        const embed = rounded ? embedTokensRounded : embedTokens;
        const data = await embed(description, weights, tokens, target.seqlen, signal);
        const shape = [tokens.length / target.seqlen, target.seqlen, hidden];
        if (key !== undefined) opened.states?.place(key, { data, shape });
        return { data, hidden };
      }),

    /** The inputs of the block's linears over one sequence. */
    taps: (input: SequenceInput & { readonly options?: TapOptions }): Promise<TapOutput[]> =>
      withBlock(input, (block) => block.taps(input.hidden, input.options)),

    /** Tunes the draft of a block. */
    tune: (input: TuneInput): Promise<TunedDraft> =>
      withModel(input.target, (open) =>
        calledBy<TuneProgress, TunedDraft>(input.port, signal, (caller) => {
          const { description } = open;
          requireLanguageModel(description);
          return tuneDraft({ ...open, description }, input, { ...caller, threads });
        }),
      ),

    /** The block's output over one sequence: (seqlen x hidden). */
    advance: (input: SequenceInput): Promise<HiddenValues> =>
      withBlock<HiddenValues>(input, (block) => {
        const { hidden } = input;
        if (areF32(hidden)) return block.advance(hidden);
        if (block.advanceRounded !== undefined) return block.advanceRounded(hidden);
        throw new EsparseError('internal', 'hidden states in bf16, where f32 is computed');
      }),
  };
}

export type Compute = ReturnType<typeof createCompute>;
