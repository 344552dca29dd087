import { tokenizerFiles } from '@esparse/checkpoint';
import { graphOf, isGraph } from '@esparse/model';
import {
  CALIBRATION_PATH,
  writeCheckpointLayout,
  writeDense,
  writeGraph,
  writeTokenizerFiles,
} from '@esparse/model-store';
import { commitWith, type Transaction } from '@esparse/store';
import type { RunContext } from './run-context.ts';
import { isVocabulary, writeDenseMatrix } from './write-dense-matrix.ts';

/** What a store needs beside its arrays: the graph, or the tokenizer. */
export async function writeBeside(context: RunContext, signal?: AbortSignal): Promise<void> {
  const { description, writer, checkpoint } = context;
  if (isGraph(description)) await writeGraph(writer, await graphOf(checkpoint, signal));
  else await writeTokenizer(context, signal);
}

/**
 * What a store needs to be served alone: the tokenizer's files. tokenizer.json is part of the checkpoint's digest, and so
 * of the run's name; the others (chat template, settings) change nothing that is pruned, and a run that has older ones
 * gets those of the checkpoint.
 */
async function writeTokenizer({ options, writer, emit }: RunContext, signal?: AbortSignal): Promise<void> {
  const isNew = !(await writer.run.isDenseCommitted());
  const renewed = await writeTokenizerFiles(writer, await tokenizerFiles(options.model, signal));
  if (isNew || renewed.length === 0) return;
  emit({
    event: 'note',
    message: `renewed in the store, as the checkpoint has them now: ${renewed.join(', ')}`,
  });
}

/** The tensors outside the blocks; before them, how the checkpoint lies in its files, which an export wants to know. */
export async function writeOuter(context: RunContext, signal?: AbortSignal): Promise<void> {
  const { writer, description, checkpoint } = context;
  await writeCheckpointLayout(writer, checkpoint);
  await commitWith(writer.beginDense(), {}, async (transaction) => {
    for (const tensor of description.outerTensors) {
      const { name } = tensor;
      if (isVocabulary(tensor, description))
        await writeDenseMatrix(context, transaction, name, name, { signal });
      else await writeDense(transaction, name, checkpoint, name, signal);
    }
    if (context.options.figureTokens === true && !isGraph(description))
      await writeCalibration(context, transaction);
  });
}

/** The tokens of the calibration, (samples, seqlen): what a report shows of the tokens that excite a channel. */
async function writeCalibration(
  { shards, options: { samples, seqlen } }: RunContext,
  transaction: Transaction,
): Promise<void> {
  const data = new Int32Array(samples * seqlen);
  let at = 0;
  for (const { tokens } of shards) {
    data.set(tokens, at);
    at += tokens.length;
  }
  await transaction.putArray(CALIBRATION_PATH, { data, shape: [samples, seqlen] });
}
