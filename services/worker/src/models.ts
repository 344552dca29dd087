import { checkpointWeights, openCheckpoint, type Checkpoint, type WeightSource } from '@esparse/checkpoint';
import { describeCheckpoint, type ModelDescription } from '@esparse/model';
import { createBlockRunner, openDevice, type BlockRunner, type Device, type DeviceName } from '@esparse/onnx';
import { createSlot, type Held } from './slot.ts';

/** A model that is open: its checkpoint, its shape, and the sessions that run its blocks. */
export interface OpenModel {
  readonly checkpoint: Checkpoint;
  readonly description: ModelDescription;
  readonly weights: WeightSource;
  readonly runner: BlockRunner;
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
}

export function createModelCache(options: ModelCacheOptions): ModelCache {
  const slot = createSlot<OpenModel>(({ checkpoint, runner, device }) => {
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
  { threads, device: name }: ModelCacheOptions,
): Promise<OpenModel> {
  const checkpoint = await openCheckpoint(directory);
  let device: Device | undefined;
  try {
    const description = describeCheckpoint(checkpoint);
    device = await openDevice(name);
    const runner = await createBlockRunner(description, { seqlen, threads, device });
    return { checkpoint, description, weights: checkpointWeights(checkpoint), runner, device };
  } catch (error) {
    await Promise.allSettled([device?.release(), checkpoint.close()]);
    throw error;
  }
}
