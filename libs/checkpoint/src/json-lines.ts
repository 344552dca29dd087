import { EsparseError, messageOf } from '@esparse/errors';
import { isObject } from './json.ts';

/** A line of a JSONL file. */
export interface JsonLine {
  /** From 1. */
  readonly number: number;
  readonly value: Readonly<Record<string, unknown>>;
}

/**
 * The objects of a JSONL text, one a line; blank lines are passed over.
 *
 * @param file how messages name it
 * @param hint what a line should be
 * @throws EsparseError 'text' naming the line that is none
 */
export function* parseJsonLines(file: string, text: string, hint: string): Generator<JsonLine> {
  let number = 0;
  for (let begin = 0; begin < text.length;) {
    const newline = text.indexOf('\n', begin);
    const end = newline < 0 ? text.length : newline;
    const line = text.slice(begin, end);
    begin = end + 1;
    number++;
    if (line.trim() !== '') yield { number, value: parseLine(line, { file, number, hint }) };
  }
}

/** What is wrong with which line. */
export interface LineFault {
  readonly file: string;
  readonly number: number;
  readonly why: string;
  readonly hint: string;
  readonly cause?: unknown;
}

/** The error of a line that cannot be used. */
export function badLine({ file, number: line, why, hint, cause }: LineFault): EsparseError {
  return new EsparseError('text', `${file}, line ${line}: ${why}`, { hint, context: { file, line }, cause });
}

function parseLine(line: string, place: Omit<LineFault, 'why'>): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (cause) {
    throw badLine({ ...place, why: `not JSON (${messageOf(cause)})`, cause });
  }
  if (!isObject(value)) throw badLine({ ...place, why: 'not an object' });
  return value;
}

/**
 * A text of a line as it is.
 *
 * @throws EsparseError 'text' where an escape such as \ud800 stands alone: it is no character, and would silently become
 * another one
 */
export function wholeCharacters(text: string, place: Omit<LineFault, 'why'>): string {
  if (!/\p{Surrogate}/u.test(text)) return text;
  throw badLine({ ...place, why: 'the text has half a surrogate pair' });
}
