import {
  canonicalJson,
  checkpointWeights,
  openCheckpoint,
  type Checkpoint,
  type WeightSource,
} from '@esparse/checkpoint';
import { EsparseError } from '@esparse/errors';
import {
  describePrunableCheckpoint,
  graphOf,
  isGraph,
  type AnyModel,
  type BlockRunner,
  type ModelDescription,
} from '@esparse/model';
import { createGraphRunner, type LoadedBlock } from '@esparse/onnx';
import { openWorkerDevice, type OpenDevice, type WorkerDevice } from './device.ts';
import type { ModelTarget } from './compute-inputs.ts';
import { createSlot, type Held, type Slot } from './slot.ts';

/** A model that is open: its checkpoint, its shape, the sessions that run its blocks, and the block in use. */
export interface OpenModel {
  readonly checkpoint: Checkpoint;
  readonly description: AnyModel;
  readonly weights: WeightSource;
  readonly runner: BlockRunner;
  /** It runs in the sessions of this model, and goes with it. On a GPU the next one is read while nothing else is to be done. */
  readonly blocks: Slot<LoadedBlock>;
  /** The same for blocks with pruned weights. Elsewhere than on a GPU it is the same slot, so that one block is held. */
  readonly prunedBlocks: Slot<LoadedBlock>;
  /** Opened for this model: what it keeps of the device's memory goes with the model. */
  readonly opened: OpenDevice;
}

/** One that has tokens and gradients. */
export interface OpenLanguageModel extends OpenModel {
  readonly description: ModelDescription;
}

/** Holds the model in use, opened and checked; another model or sequence length replaces it. */
export interface ModelCache {
  hold(target: ModelTarget): Promise<Held<OpenModel>>;
}

export interface ModelCacheOptions {
  readonly threads: number;
  readonly device: WorkerDevice;
  /** Ends the opening of a model. */
  readonly signal?: AbortSignal | undefined;
}

export function createModelCache(options: ModelCacheOptions): ModelCache {
  const slot = createSlot<OpenModel>(({ checkpoint, blocks, prunedBlocks, runner, opened }) => {
    void blocks.clear();
    void prunedBlocks.clear();
    void Promise.allSettled([runner.release().finally(() => opened.release()), checkpoint.close()]);
  });
  return {
    hold: (target) => {
      const { model, seqlen, branches = {} } = target;
      return slot.hold(`${seqlen}:${canonicalJson(branches)}:${model}`, () => openModel(target, options));
    },
  };
}

async function openModel(
  { model, seqlen, branches }: ModelTarget,
  { threads, device: name, signal }: ModelCacheOptions,
): Promise<OpenModel> {
  const checkpoint = await openCheckpoint(model, signal, branches);
  let opened: OpenDevice | undefined;
  try {
    const description = describePrunableCheckpoint(checkpoint);
    if (isGraph(description)) requireProcessor(name);
    opened = await openWorkerDevice(name);
    const runner = isGraph(description)
      ? await createGraphRunner(description, await graphOf(checkpoint, signal), { threads })
      : await opened.runner(description, { seqlen, threads });
    const slot = (room = 1) => createSlot<LoadedBlock>((block) => void block.release(), room);
    const blocks = slot(opened.runsShards ? 2 : 1);
    const prunedBlocks = opened.runsShards ? slot() : blocks;
    const weights = checkpointWeights(checkpoint);
    return { checkpoint, description, weights, runner, blocks, prunedBlocks, opened };
  } catch (error) {
    await Promise.allSettled([opened?.release(), checkpoint.close()]);
    throw error;
  }
}

/** @throws EsparseError 'unsupported' for a device that does not run whatever operators a graph has */
function requireProcessor(device: WorkerDevice): void {
  if (device === 'cpu') return;
  throw new EsparseError('unsupported', `${device} does not run graphs`, { hint: 'use --device cpu' });
}
