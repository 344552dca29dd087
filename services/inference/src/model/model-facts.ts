import { openCheckpoint, tokenizerFiles, type TokenizerFile } from '@esparse/checkpoint';
import { describeCheckpoint, describeModel } from '@esparse/model';
import { readTokenizerFiles, requireFinished, tokenizerVersion } from '@esparse/model-store';
import { showLocation } from '@esparse/storage';
import type { Run } from '@esparse/store';

/** A model that is to be served, before its engine is open. */
export interface FoundModel {
  readonly facts: ModelFacts;
  /** Its tokenizer, and what chats need. */
  readonly files: readonly TokenizerFile[];
  /** Of these files: those of a run may be renewed, see `tokenizerVersion`. */
  readonly version: string;
  /** How messages name it. */
  readonly where: string;
}

/** What `/info` shows of a model. */
export interface ModelFacts {
  /** Fingerprint of the run; undefined for a checkpoint. */
  readonly run: string | undefined;
  /** Digest of the checkpoint that is served, or that the run was made of. */
  readonly checkpoint: string;
  /** config.json of the checkpoint. */
  readonly config: Readonly<Record<string, unknown>>;
  readonly family: string;
  /** keep:group; undefined for a checkpoint, as what follows. */
  readonly pattern: string | undefined;
  readonly pipeline: string | undefined;
  /** What the model was called when it was pruned. */
  readonly name: string | undefined;
  /** Of the whole run, in bytes. */
  readonly bytes: number | undefined;
  readonly blocks: number;
}

/** @throws EsparseError 'store' for a run that is not finished, or whose attributes cannot be read */
export async function findRun(run: Run): Promise<FoundModel> {
  const { config, family, model, options } = await requireFinished(run);
  // A finished run has one.
  const { name, bytes, blocks } = (await run.summary())!;
  const facts = {
    run: run.fingerprint,
    checkpoint: model,
    config,
    family,
    pattern: `${options.pattern.keep}:${options.pattern.group}`,
    pipeline: options.pipeline.name,
    name: typeof name === 'string' ? name : undefined,
    bytes,
    blocks,
  };
  // A graph has no tokenizer, which would be missed first.
  describeModel(config);
  // The version first: files that are renewed meanwhile are seen by the next look.
  const version = await tokenizerVersion(run);
  return { facts, files: await readTokenizerFiles(run), version, where: `run ${run.fingerprint}` };
}

/** @throws EsparseError 'checkpoint' or 'unsupported' for one that cannot be used */
export async function findCheckpoint(location: string, signal: AbortSignal): Promise<FoundModel> {
  const checkpoint = await openCheckpoint(location, signal);
  try {
    const { family, blocks } = describeCheckpoint(checkpoint);
    const { config, digest } = checkpoint;
    const ofRuns = { run: undefined, pattern: undefined, pipeline: undefined, bytes: undefined };
    const facts = { ...ofRuns, name: undefined, checkpoint: digest, config, family, blocks };
    return {
      facts,
      files: await tokenizerFiles(location, signal),
      version: '',
      where: showLocation(location),
    };
  } finally {
    await checkpoint.close();
  }
}
