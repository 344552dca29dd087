import { createHash } from 'node:crypto';
import path from 'node:path';
import { badLine, parseJsonLines, readUtf8, wholeCharacters, type JsonLine } from '@esparse/checkpoint';
import { EsparseError } from '@esparse/errors';
import { Fault, FORMS_IN_WORDS, questionOf } from './forms.ts';
import type { Question } from './question.ts';

/** A set of questions, from a file. */
export interface QuestionSet {
  /** The file's name without folder and ending. */
  readonly name: string;
  readonly file: string;
  /** Of the text. */
  readonly sha256: string;
  readonly questions: readonly Question[];
}

/**
 * Reads a file of multiple-choice questions, one a line, in the forms of `FORMS_IN_WORDS`; docs/evaluation.md says how each
 * is read.
 *
 * @throws EsparseError 'text' naming the line at fault
 */
export async function readQuestions(file: string, signal?: AbortSignal): Promise<QuestionSet> {
  const text = await readUtf8(file, signal);
  const questions = Array.from(parseJsonLines(file, text, FORMS_IN_WORDS), (line) => readLine(file, line));
  if (questions.length === 0) {
    throw new EsparseError('text', `${file} has no questions`, { hint: FORMS_IN_WORDS, context: { file } });
  }
  return {
    name: path.basename(file).replace(/\.jsonl?$/i, ''),
    file,
    sha256: createHash('sha256').update(text).digest('hex'),
    questions,
  };
}

function readLine(file: string, { number, value }: JsonLine): Question {
  const place = { file, number, hint: FORMS_IN_WORDS };
  try {
    const question = questionOf(value);
    for (const { context, continuation } of question.choices) {
      wholeCharacters(context + continuation, place);
    }
    return question;
  } catch (error) {
    if (error instanceof Fault) throw badLine({ ...place, why: error.message, cause: error });
    throw error;
  }
}
