import { checkpointWeights, openCheckpoint, type Checkpoint, type WeightSource } from '@esparse/checkpoint';
import {
  createBlockRunner,
  describeCheckpoint,
  type BlockRunner,
  type ModelDescription,
} from '@esparse/model';
import { createSlot, type Held } from './slot.ts';

/** A model that is open: its checkpoint, its shape, and the sessions that run its blocks. */
export interface OpenModel {
  readonly checkpoint: Checkpoint;
  readonly description: ModelDescription;
  readonly weights: WeightSource;
  readonly runner: BlockRunner;
}

/** Holds the model in use, opened and checked; another model or sequence length replaces it. */
export interface ModelCache {
  hold(directory: string, seqlen: number): Promise<Held<OpenModel>>;
}

export function createModelCache(threads: number): ModelCache {
  const slot = createSlot<OpenModel>(({ checkpoint, runner }) => {
    void Promise.allSettled([runner.release(), checkpoint.close()]);
  });
  return {
    hold: (directory, seqlen) =>
      slot.hold(`${seqlen}:${directory}`, () => openModel(directory, seqlen, threads)),
  };
}

async function openModel(directory: string, seqlen: number, threads: number): Promise<OpenModel> {
  const checkpoint = await openCheckpoint(directory);
  try {
    const description = describeCheckpoint(checkpoint);
    const runner = await createBlockRunner(description, { seqlen, threads });
    return { checkpoint, description, weights: checkpointWeights(checkpoint), runner };
  } catch (error) {
    await checkpoint.close();
    throw error;
  }
}
