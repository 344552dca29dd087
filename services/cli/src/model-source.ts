import {
  checkpointWeights,
  makeTokenizer,
  openCheckpoint,
  openTokenizer,
  type TextTokenizer,
  type WeightSource,
} from '@esparse/checkpoint';
import { showLocation } from '@esparse/storage';
import { describeCheckpoint, describeModel, type ModelDescription } from '@esparse/model';
import { readTokenizerFiles, requireFinished, storeWeights } from '@esparse/model-store';
import { openStore } from '@esparse/store';

/** A model to evaluate, of a checkpoint or of a store. */
export interface ModelSource {
  readonly description: ModelDescription;
  readonly weights: WeightSource;
  readonly tokenizer: TextTokenizer;
  /** What it is called: the directory, or the run. */
  readonly name: string;
  /** Store and run, where the engine can run it. */
  readonly stored?: { readonly store: string; readonly run: string };
  close(): Promise<void>;
}

/** A Hugging Face checkpoint. */
export async function checkpointSource(directory: string): Promise<ModelSource> {
  const checkpoint = await openCheckpoint(directory);
  try {
    const description = describeCheckpoint(checkpoint);
    return {
      description,
      weights: checkpointWeights(checkpoint),
      tokenizer: await openTokenizer(directory),
      name: showLocation(directory),
      close: () => checkpoint.close(),
    };
  } catch (error) {
    await checkpoint.close();
    throw error;
  }
}

/** A finished run of a store: the current one, or the one named. */
export async function storeSource(directory: string, fingerprint?: string): Promise<ModelSource> {
  const run = await (await openStore(directory)).openRun(fingerprint);
  const { config } = await requireFinished(run);
  const description = describeModel(config);
  return {
    description,
    weights: storeWeights(run, description),
    tokenizer: makeTokenizer(await readTokenizerFiles(run), directory, config),
    name: `${directory} (run ${run.fingerprint})`,
    stored: { store: directory, run: run.fingerprint },
    close: () => Promise.resolve(),
  };
}
