import { createHash } from 'node:crypto';
import { readText } from '@esparse/checkpoint';
import { EsparseError } from '@esparse/errors';
import { readQuestions, type QuestionSet } from '@esparse/evaluation';

/** What is measured of each model: read once. */
export interface EvalRequest {
  readonly text: EvalText | undefined;
  readonly sets: readonly QuestionSet[];
  readonly seqlen: number;
  /** Of the text, the first ones; undefined for all. */
  readonly windows: number | undefined;
  readonly bos: boolean;
}

export interface EvalText {
  readonly file: string;
  readonly content: string;
  readonly sha256: string;
}

export interface EvalRequestFlags {
  readonly text?: string;
  readonly tasks?: readonly string[];
  readonly seqlen: number;
  readonly windows?: number;
  readonly bos: boolean;
}

/** @throws EsparseError 'usage' where nothing is to be measured, 'text' for a file that cannot be used */
export async function readEvalRequest(
  { text: file, tasks = [], seqlen, windows, bos }: EvalRequestFlags,
  signal: AbortSignal,
): Promise<EvalRequest> {
  if (file === undefined && tasks.length === 0) {
    throw new EsparseError('usage', 'there is nothing to evaluate on', {
      hint: 'give --text, a text to predict, or --tasks, files of multiple-choice questions; of a graph of ONNX --data',
    });
  }
  const sets: QuestionSet[] = [];
  for (const task of tasks) sets.push(await readQuestions(task, signal));
  return { text: file === undefined ? undefined : await textOf(file, signal), sets, seqlen, windows, bos };
}

async function textOf(file: string, signal: AbortSignal): Promise<EvalText> {
  const content = await readText(file, signal);
  return { file, content, sha256: createHash('sha256').update(content).digest('hex') };
}
