import {
  CALIBRATION_ALGORITHM,
  calibrationWindows,
  openCheckpoint,
  openTokenizer,
  readText,
  type Checkpoint,
} from '@esparse/checkpoint';
import { describeCheckpoint, type LinearSpec, type ModelDescription } from '@esparse/model';
import type { RunAttributes } from '@esparse/model-store';
import { requireDivisible } from '@esparse/sparsity';
import { fingerprintOf, tokensDigest } from './fingerprint.ts';
import type { PruneOptions } from './options.ts';
import { shardsOf, type Shard } from './shards.ts';

/** Everything that is known before the first block: the model, what to calibrate on, what stays dense. */
export interface Preparation {
  readonly checkpoint: Checkpoint;
  readonly description: ModelDescription;
  readonly shards: readonly Shard[];
  /** Linears of a block that are pruned; the others are committed dense. */
  readonly pruned: readonly LinearSpec[];
  readonly skipped: readonly LinearSpec[];
  /** Digest of the calibration tokens. */
  readonly tokens: string;
}

/**
 * Opens and checks all input of a run, before anything is written or started: a model that cannot be pruned is
 * refused here.
 */
export async function prepare(options: PruneOptions, signal?: AbortSignal): Promise<Preparation> {
  const checkpoint = await openCheckpoint(options.model);
  try {
    const description = describeCheckpoint(checkpoint);
    const [pruned, skipped] = divide(description, options);
    const tokenizer = await openTokenizer(options.model);
    const tokens = await tokenizer.encode(await readText(options.calibration), { bos: options.bos });
    signal?.throwIfAborted();
    const windows = calibrationWindows(tokens, options);
    return {
      checkpoint,
      description,
      shards: shardsOf(windows, options.seqlen, description.hidden),
      pruned,
      skipped,
      tokens: tokensDigest(windows),
    };
  } catch (error) {
    await checkpoint.close();
    throw error;
  }
}

/** The linears that are pruned, and those that stay dense. @throws EsparseError 'unsupported' where none may stay */
export function divide(
  { linears }: ModelDescription,
  { pattern, skipIndivisible }: Pick<PruneOptions, 'pattern' | 'skipIndivisible'>,
): [pruned: LinearSpec[], skipped: LinearSpec[]] {
  const divisible = ({ cols }: LinearSpec) => cols % pattern.group === 0;
  if (!skipIndivisible) for (const { name, cols } of linears) requireDivisible(name, cols, pattern);
  return [linears.filter(divisible), linears.filter((linear) => !divisible(linear))];
}

/** A run's name, from what it is made of: everything that its bytes depend on. */
export function attributesFingerprint({ model, tokens, numerics, options }: RunAttributes): string {
  return fingerprintOf({ model, tokens, windows: CALIBRATION_ALGORITHM, numerics, ...options });
}

/** What a run is made of, as the store keeps it. */
export function attributesOf(
  options: PruneOptions,
  { checkpoint, description, tokens }: Preparation,
  numerics: string,
): RunAttributes {
  return {
    config: checkpoint.config,
    family: description.family,
    blocks: description.blocks,
    model: checkpoint.digest,
    tokens,
    numerics,
    options: runOptions(options),
  };
}

/** The options of a run as the store keeps them: those that change its bytes. */
function runOptions(options: PruneOptions): RunAttributes['options'] {
  const { pipeline, pattern, samples, seqlen, seed, bins, entropyRange, alpha, bos, skipIndivisible } =
    options;
  return {
    pipeline: { name: pipeline.name, version: pipeline.version, options: pipeline.describe({ alpha }) },
    pattern: { keep: pattern.keep, group: pattern.group },
    shuffle: options.shuffle ?? pipeline.shuffle,
    calibration: { samples, seqlen, seed, bos },
    entropy: { bins, range: entropyRange },
    skipIndivisible,
  };
}
