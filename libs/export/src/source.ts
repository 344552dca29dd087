import type { TokenizerFile } from '@esparse/checkpoint';
import { describeModel, tensorsOfBlock, type ModelDescription, type TensorSpec } from '@esparse/model';
import {
  readCheckpointLayout,
  readTokenizerFiles,
  requireFinished,
  runTensors,
  type CheckpointLayout,
  type RunAttributes,
  type RunTensors,
} from '@esparse/model-store';
import type { Run } from '@esparse/store';

/** A finished run, as a format reads it. */
export interface ExportSource {
  readonly fingerprint: string;
  readonly attributes: RunAttributes;
  readonly description: ModelDescription;
  /** config.json of what is exported: that of the checkpoint, which may have been quantized. */
  readonly config: Readonly<Record<string, unknown>>;
  /** Its tensors, by their names in the checkpoint. */
  readonly tensors: RunTensors;
  /** What its tokenizer and its chats need, generation_config.json too. */
  readonly tokenizerFiles: readonly TokenizerFile[];
  /** How the checkpoint lay in its files; undefined for runs of versions that did not keep it. */
  readonly layout: CheckpointLayout | undefined;
}

/**
 * Opens a run to be exported.
 *
 * @throws EsparseError 'store' where it is not finished
 */
export async function openExportSource(run: Run): Promise<ExportSource> {
  const attributes = await requireFinished(run);
  const description = describeModel(attributes.config);
  return {
    fingerprint: run.fingerprint,
    attributes,
    description,
    config: withoutQuantization(attributes.config),
    tensors: runTensors(run, description),
    tokenizerFiles: await readTokenizerFiles(run),
    layout: await readCheckpointLayout(run),
  };
}

/** Every tensor of a model: outside the blocks, then block by block. */
export function modelTensors(description: ModelDescription): readonly TensorSpec[] {
  const blocks = Array.from({ length: description.blocks }, (_, block) => tensorsOfBlock(description, block));
  return [...description.outerTensors, ...blocks.flat()];
}

/** What was quantized has been de-quantized: nothing is exported so. */
function withoutQuantization(config: RunAttributes['config']): ExportSource['config'] {
  return Object.fromEntries(Object.entries(config).filter(([field]) => field !== 'quantization_config'));
}
