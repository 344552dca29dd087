import type { Branches } from '@esparse/checkpoint';
import { EsparseError } from '@esparse/errors';
import {
  areF32,
  isGraph,
  tapsOf,
  type AnyModel,
  type DeviceStates,
  type PluginLoader,
  type HiddenValues,
  type ModelDescription,
} from '@esparse/model';
import {
  embedTokens,
  embedTokensRounded,
  type LoadedBlock,
  type TapOptions,
  type TapOutput,
} from '@esparse/onnx';
import { storeWeights } from '@esparse/model-store';
import { openStore, type StoredHiddenShard } from '@esparse/store';
import type { WorkerDevice } from './device.ts';
import { createArrayPool } from './array-pool.ts';
import { createBlockFold, type BlockFold, type FoldedState } from './device-fold.ts';
import type { StatesKey } from './kept-states.ts';
import { calledBy } from './long-call.ts';
import { createModelCache, type OpenModel } from './models.ts';
import type { Held } from './slot.ts';
import { WORKER_STATISTICS } from './worker-statistics.ts';
import { tuneDraft, type TunedDraft, type TuneInput, type TuneProgress } from './tune-draft.ts';

/** A model and a sequence length; paths are checked already. */
export interface ModelTarget {
  readonly model: string;
  readonly seqlen: number;
  /** Of a graph: see `Branches` of @esparse/checkpoint. @default none */
  readonly branches?: Branches | undefined;
}

/** A block of it: with its dense weights, or with the pruned ones that a run has committed. */
export interface BlockTarget extends ModelTarget {
  readonly block: number;
  readonly pruned?: { readonly store: string; readonly run: string } | undefined;
}

/** Hidden states of one sequence, (seqlen x hidden), or of several where the device runs shards. */
export interface SequenceInput {
  readonly target: BlockTarget;
  readonly hidden: HiddenValues;
  /** How many. */
  readonly sequences: number;
}

/** Which statistics of a block are folded on the device. */
export interface FoldInput {
  readonly target: BlockTarget;
  /** Names of taps; all where there are none. */
  readonly taps: readonly string[];
  /** Names of statistics that come with esparse. */
  readonly statistics: readonly string[];
}

/** Hidden states of a shard: by their place, where the device keeps them, or as they were read. */
export interface ShardInput {
  readonly key: StatesKey;
  /** @default those that are kept */
  readonly read?: StoredHiddenShard | undefined;
}

/** A shard whose activations are folded on the device. */
export interface FoldShard {
  readonly target: BlockTarget;
  readonly own: ShardInput;
  /** The dense model's states of the same sequences, where a statistic needs them and they are not the same. */
  readonly dense?: ShardInput | undefined;
}

/** A shard that is run through a block on the device. */
export interface AdvanceShard {
  readonly target: BlockTarget;
  readonly from: ShardInput;
  /** The place of what comes out. */
  readonly to: StatesKey;
}

/** Which piece of which state. */
export interface FoldPiece {
  readonly tap: string;
  readonly statistic: string;
  readonly index: number;
}

/** Tokens of a shard, and how large their hidden states may be. */
export interface ShardTokens {
  readonly target: ModelTarget;
  readonly tokens: Uint32Array;
  /** More only where the shard is one sequence. */
  readonly maxBytes: number;
  /** Whether they are wanted in bf16. @default false */
  readonly rounded?: boolean;
  /** Their place, where the device is to keep them. @default it does not */
  readonly key?: StatesKey;
}

export interface ComputeOptions {
  /** Threads of ONNX Runtime on the CPU. */
  readonly threads: number;
  /** What runs blocks. @default 'cpu' */
  readonly device?: WorkerDevice | undefined;
  /** A model family that does not come with esparse. @default none */
  readonly family?: PluginLoader | undefined;
  /** An encoding that does not come with esparse. @default none */
  readonly encoding?: PluginLoader | undefined;
}

/**
 * Everything that computes: opens models, embeds tokens, runs blocks. One model and one block are held at a time.
 * ONNX Runtime's `run` holds its thread, so this lives on a thread of its own (see `compute-thread.ts`) and the one
 * that speaks gRPC stays free to send.
 *
 * @param signal ends the reading of models; what computes ends by itself
 */
export function createCompute({ threads, device = 'cpu' }: ComputeOptions, signal?: AbortSignal) {
  const models = createModelCache({ threads, device, signal });

  const withModel = async <R>(target: ModelTarget, use: (open: OpenModel) => Promise<R>): Promise<R> => {
    const { value, release } = await models.hold(target);
    try {
      return await use(value);
    } finally {
      release();
    }
  };

  const withLoaded = async <R>(
    open: OpenModel,
    target: BlockTarget,
    use: (block: LoadedBlock) => Promise<R>,
  ): Promise<R> => {
    const { value, release } = await holdBlock(open, target, signal);
    try {
      return await use(value);
    } finally {
      release();
    }
  };

  const withBlock = <R>(input: SequenceInput, use: (block: LoadedBlock) => Promise<R>): Promise<R> =>
    withModel(input.target, (open) => {
      requireStates(open, input);
      return withLoaded(open, input.target, use);
    });

  /** Memory of shards that have been written. */
  const outputs = createArrayPool();

  /** What is folded on the device: for one caller at a time. */
  let folding: { readonly fold: BlockFold; readonly release: () => void } | undefined;
  const endFold = () => {
    const ended = folding;
    folding = undefined;
    try {
      ended?.fold.release();
    } finally {
      ended?.release();
    }
  };
  const foldUnderWay = (): BlockFold => {
    if (folding === undefined) throw new EsparseError('internal', 'nothing is folded on the device');
    return folding.fold;
  };

  return {
    /** Begins to fold statistics of a block on the device; what was folded there before is dropped. */
    foldBegin: async ({ target, taps, statistics }: FoldInput): Promise<void> => {
      endFold();
      const { value, release } = await models.hold(target);
      try {
        const { description, opened } = value;
        requireBlock(description, target.block);
        if (opened.statistics === undefined) throw new EsparseError('internal', 'the device folds nothing');
        const all = new Map(tapsOf(description, target.block).map((tap) => [tap.name, tap.channels]));
        const fold = createBlockFold(opened.statistics, {
          taps: taps.length === 0 ? all : new Map(taps.map((name) => [name, requireTap(all, name)])),
          statistics: statistics.map((name) => WORKER_STATISTICS.get(name)!),
        });
        folding = { fold, release };
      } catch (error) {
        release();
        throw error;
      }
    },

    /**
     * Runs the block over a shard and adds its activations.
     *
     * @returns how many sequences it has; undefined where the states were not there, and nothing was done
     */
    foldAdd: ({ target, own, dense }: FoldShard): Promise<number | undefined> => {
      const fold = foldUnderWay();
      return withModel(target, async (open) => {
        const states = placed(open, target, own);
        const beside = dense && placed(open, target, dense);
        if (states === undefined || (dense !== undefined && beside === undefined)) return undefined;
        await withLoaded(open, target, (block) => fold.add(block, states, beside));
        return states.shape[0];
      });
    },

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
      withModel(target, async (open) => {
        const states = placed(open, target, from);
        if (states === undefined) return undefined;
        const { shape } = states;
        return withLoaded(open, target, async (block) => {
          if (block.advanceRounded === undefined)
            throw new EsparseError('internal', 'hidden states in bf16, where f32 is computed');
          const data = await block.advanceRounded(states.values, {
            into: outputs.take(states.values.length),
            visit: (output) => open.opened.states?.copy(to, { ...output, shape }),
          });
          return { data, shape };
        });
      }),

    /** Takes memory of what `advanceShard` gave, which is used again. */
    reuse: (array: Uint16Array): Promise<void> => {
      outputs.give(array);
      return Promise.resolve();
    },

    /** What was folded: of states that have pieces what these are not. See `BlockFold.finish`. */
    foldFinish: ({ shares }: { shares: boolean }): Promise<FoldedState[]> =>
      Promise.resolve(foldUnderWay().finish(shares)),

    /** A piece of a state that has pieces; nothing behind the last. */
    foldPiece: ({ tap, statistic, index }: FoldPiece): Promise<Uint8Array | undefined> =>
      Promise.resolve(foldUnderWay().piece(tap, statistic, index)),

    /** Gives the device's memory back. */
    foldEnd: (_nothing: undefined): Promise<void> => {
      endFold();
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
          const { description, opened } = open;
          requireLanguageModel(description);
          // Where what is tuned lies depends on how much memory is free.
          opened.states?.clear();
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

/** A shard is cut so that its hidden states are not too large. @throws EsparseError 'usage' for one that is not */
export function requireShardSize(tokens: number, seqlen: number, hidden: number, maxBytes: number): void {
  const bytes = 4 * tokens * hidden;
  if (tokens <= seqlen || bytes <= maxBytes) return;
  throw new EsparseError(
    'usage',
    `a shard of ${tokens} tokens has hidden states of ${bytes} bytes: expected at most ${maxBytes}, or one sequence`,
  );
}

/** @throws EsparseError 'store' for hidden states of another model or sequence length */
function requireStates({ description }: OpenModel, { target, hidden, sequences }: SequenceInput): void {
  // Those of a graph say themselves what they are.
  if (isGraph(description)) return;
  const { seqlen } = target;
  if (hidden.length === sequences * seqlen * description.hidden) return;
  throw new EsparseError(
    'store',
    `hidden states of ${hidden.length} values, not ${sequences} x ${seqlen} x ${description.hidden}`,
  );
}

/** Hidden states as a block takes them, and what they are of. */
interface StatesOfShard {
  readonly values: Uint16Array | DeviceStates;
  readonly shape: readonly number[];
}

/** Where a shard's states are: on the device if they are kept there, or there is room; else as they were read. */
function placed(
  { opened, description }: OpenModel,
  { seqlen }: ModelTarget,
  { key, read }: ShardInput,
): StatesOfShard | undefined {
  const kept = opened.states?.find(key) ?? (read && opened.states?.place(key, read));
  const shape = kept?.shape ?? read?.shape;
  if (shape === undefined) return undefined;
  const { hidden } = description as ModelDescription;
  if (shape[1] !== seqlen || shape[2] !== hidden)
    throw new EsparseError('store', `hidden states of [${shape.join()}], not [, ${seqlen}, ${hidden}]`);
  if (kept !== undefined) return { values: kept, shape };
  const { data } = read!;
  if (areF32(data)) throw new EsparseError('store', 'hidden states in f32, where bf16 is computed');
  return { values: data, shape };
}

/** @throws EsparseError `usage` for a tap that the block has not */
function requireTap(taps: ReadonlyMap<string, number>, name: string): number {
  const channels = taps.get(name);
  if (channels !== undefined) return channels;
  throw new EsparseError('usage', `the block has no tap ${name.slice(0, 80)}`);
}

function requireBlock({ blocks }: AnyModel, block: number): void {
  if (block < blocks) return;
  throw new EsparseError('usage', `block ${block} of ${blocks} does not exist`);
}

/** @throws EsparseError 'usage' for a graph, whose states the pruner writes and whose gradient is not known */
function requireLanguageModel(description: AnyModel): asserts description is ModelDescription {
  if (!isGraph(description)) return;
  throw new EsparseError(
    'usage',
    'the model is a graph of ONNX: it has no tokens, and its gradient is not known',
  );
}

/** The block in use where it is the one wanted, else that one, loaded. */
function holdBlock(
  open: OpenModel,
  { block, pruned }: BlockTarget,
  signal: AbortSignal | undefined,
): Promise<Held<LoadedBlock>> {
  const { description, runner, blocks, prunedBlocks } = open;
  requireBlock(description, block);
  const holdDense = (wanted: number) =>
    blocks.hold(`dense:${wanted}`, () => runner.load(wanted, open.weights, signal));
  if (pruned === undefined) {
    if (prunedBlocks !== blocks) prunedBlocks.clear();
    return holdDense(block);
  }
  const { store, run } = pruned;
  return prunedBlocks.hold(`pruned:${store}:${run}:${block}`, async () => {
    const weights = storeWeights(await (await openStore(store)).openRun(run), description);
    const loaded = await runner.load(block, weights, signal);
    const isThere = prunedBlocks !== blocks && block + 1 < description.blocks;
    // What is wrong with it is told by whoever wants it.
    if (isThere)
      holdDense(block + 1).then(
        ({ release }) => {
          release();
        },
        () => undefined,
      );
    return loaded;
  });
}

export type Compute = ReturnType<typeof createCompute>;
