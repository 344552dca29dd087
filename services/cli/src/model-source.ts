import {
  checkpointWeights,
  makeTokenizer,
  openCheckpoint,
  tokenizerFiles,
  type TextTokenizer,
  type TokenizerFile,
  type WeightSource,
} from '@esparse/checkpoint';
import { EsparseError } from '@esparse/errors';
import { showLocation } from '@esparse/storage';
import { describeCheckpoint, describeModel, linearsOf, type ModelDescription } from '@esparse/model';
import { readTokenizerFiles, requireFinished, storeWeights } from '@esparse/model-store';
import { openStore } from '@esparse/store';
import type { SourceFlags } from './options/source.ts';

/** A model to compute with, of a checkpoint or of a store. */
export interface ModelSource {
  readonly description: ModelDescription;
  /** config.json */
  readonly config: Readonly<Record<string, unknown>>;
  readonly weights: WeightSource;
  /** May be closed once everything is tokenized: its process takes memory. */
  readonly tokenizer: TextTokenizer;
  readonly tokenizerFiles: readonly TokenizerFile[];
  /** What it is called: the directory, or the run. */
  readonly name: string;
  /** What the engine opens. */
  readonly place: { readonly store: string; readonly run: string } | { readonly model: string };
  /** Names it in a report: the same, and what tells its content from another's. */
  readonly identity: Readonly<Record<string, string>>;
  /** Whether the engine can run it: a checkpoint only where its files are on this machine and lie as the engine reads them. */
  readonly canBeMapped: boolean;
  close(): Promise<void>;
}

/** @throws EsparseError 'usage' where neither is named */
export function openSource({ model, store, run }: SourceFlags, signal: AbortSignal): Promise<ModelSource> {
  if (model !== undefined) return checkpointSource(model, signal);
  if (store !== undefined) return storeSource(store, run, signal);
  throw new EsparseError('usage', 'no model is named', {
    hint: 'give --store, a store of a pruned model, or --model, a checkpoint',
  });
}

/** A Hugging Face checkpoint. */
async function checkpointSource(directory: string, signal: AbortSignal): Promise<ModelSource> {
  const checkpoint = await openCheckpoint(directory, signal);
  try {
    // Of a model on the hub, with the commit that is read.
    const { config, digest, directory: name } = checkpoint;
    const description = describeCheckpoint(checkpoint);
    const files = await tokenizerFiles(directory, signal);
    const tokenizer = await makeTokenizer(files, name, { config, signal });
    return {
      description,
      config,
      weights: checkpointWeights(checkpoint),
      tokenizer,
      tokenizerFiles: files,
      name,
      place: { model: directory },
      identity: { model: name, checkpoint: digest },
      canBeMapped: linearsOf(description, 0).every(
        ({ weight }) => checkpoint.fileOf(weight(0)) !== undefined,
      ),
      async close() {
        tokenizer.close();
        await checkpoint.close();
      },
    };
  } catch (error) {
    await checkpoint.close();
    throw error;
  }
}

/** A finished run of a store: the current one, or the one named. */
async function storeSource(
  directory: string,
  fingerprint: string | undefined,
  signal: AbortSignal,
): Promise<ModelSource> {
  const run = await (await openStore(directory)).openRun(fingerprint);
  const { config } = await requireFinished(run);
  const description = describeModel(config);
  const files = await readTokenizerFiles(run);
  const store = showLocation(directory);
  const tokenizer = await makeTokenizer(files, store, { config, signal });
  return {
    description,
    config,
    weights: storeWeights(run, description),
    tokenizer,
    tokenizerFiles: files,
    name: `${store} (run ${run.fingerprint})`,
    place: { store: directory, run: run.fingerprint },
    identity: { store, run: run.fingerprint },
    canBeMapped: true,
    close() {
      tokenizer.close();
      return Promise.resolve();
    },
  };
}
