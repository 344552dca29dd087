import { checkpointWeights, openCheckpoint, type Checkpoint, type WeightSource } from '@esparse/checkpoint';
import { describeCheckpoint, type ModelDescription } from '@esparse/model';
import {
  createBlockRunner,
  openDevice,
  type BlockRunner,
  type Device,
  type DeviceName,
  type LoadedBlock,
} from '@esparse/onnx';
import { createSlot, type Held, type Slot } from './slot.ts';

/** A model that is open: its checkpoint, its shape, the sessions that run its blocks, and the block in use. */
export interface OpenModel {
  readonly checkpoint: Checkpoint;
  readonly description: ModelDescription;
  readonly weights: WeightSource;
  readonly runner: BlockRunner;
  /** It runs in the sessions of this model, and goes with it. */
  readonly blocks: Slot<LoadedBlock>;
  /** Opened for this model: what it keeps of the device's memory goes with the model. */
  readonly device: Device;
}

/** Holds the model in use, opened and checked; another model or sequence length replaces it. */
export interface ModelCache {
  hold(directory: string, seqlen: number): Promise<Held<OpenModel>>;
}

export interface ModelCacheOptions {
  readonly threads: number;
  readonly device: DeviceName;
  /** Ends the opening of a model. */
  readonly signal?: AbortSignal | undefined;
}

export function createModelCache(options: ModelCacheOptions): ModelCache {
  const slot = createSlot<OpenModel>(({ checkpoint, blocks, runner, device }) => {
    blocks.clear();
    void Promise.allSettled([runner.release().finally(() => device.release()), checkpoint.close()]);
  });
  return {
    hold: (directory, seqlen) =>
      slot.hold(`${seqlen}:${directory}`, () => openModel(directory, seqlen, options)),
  };
}

async function openModel(
  directory: string,
  seqlen: number,
  { threads, device: name, signal }: ModelCacheOptions,
): Promise<OpenModel> {
  const checkpoint = await openCheckpoint(directory, signal);
  let device: Device | undefined;
  try {
    const description = describeCheckpoint(checkpoint);
    device = await openDevice(name);
    const runner = await createBlockRunner(description, { seqlen, threads, device });
    const blocks = createSlot<LoadedBlock>((block) => void block.release());
    return { checkpoint, description, weights: checkpointWeights(checkpoint), runner, blocks, device };
  } catch (error) {
    await Promise.allSettled([device?.release(), checkpoint.close()]);
    throw error;
  }
}
