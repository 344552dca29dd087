import type { TokenizerFile } from '@esparse/checkpoint';
import {
  describePrunable,
  isGraph,
  tensorsOfBlock,
  type GraphDescription,
  type ModelDescription,
  type TensorSpec,
} from '@esparse/model';
import {
  readCheckpointLayout,
  readGraph,
  readTokenizerFiles,
  requireFinished,
  runTensors,
  type CheckpointLayout,
  type RunAttributes,
  type RunTensors,
} from '@esparse/model-store';
import type { Run } from '@esparse/store';

/** A finished run, whatever was pruned in it. */
interface FinishedRun {
  readonly fingerprint: string;
  readonly attributes: RunAttributes;
  /** Its tensors, by their names in the checkpoint. */
  readonly tensors: RunTensors;
}

/** A finished run of a graph. */
export interface GraphSource extends FinishedRun {
  readonly description: GraphDescription;
  /** The graph without its matrices, as a file. */
  readonly graph: () => Promise<Uint8Array>;
}

/** A finished run of a language model, as a format reads it. */
export interface ExportSource extends FinishedRun {
  readonly description: ModelDescription;
  /** config.json of what is exported: that of the checkpoint, which may have been quantized. */
  readonly config: Readonly<Record<string, unknown>>;
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
export async function openExportSource(run: Run): Promise<ExportSource | GraphSource> {
  const attributes = await requireFinished(run);
  const description = describePrunable(attributes.config);
  const found = { fingerprint: run.fingerprint, attributes, tensors: runTensors(run, description) };
  if (isGraph(description)) return { ...found, description, graph: () => readGraph(run) };
  return {
    ...found,
    description,
    config: withoutQuantization(attributes.config),
    tokenizerFiles: await readTokenizerFiles(run),
    layout: await readCheckpointLayout(run),
  };
}

/** Whether a run is one of a graph. */
export function isGraphSource(source: ExportSource | GraphSource): source is GraphSource {
  return 'graph' in source;
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
