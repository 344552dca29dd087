import { EsparseError, messageOf } from '@esparse/errors';
import { readFile, stat } from 'node:fs/promises';
import { throwIfCancelled } from '@esparse/storage';
import { badLine, parseJsonLines, wholeCharacters } from './json-lines.ts';

/**
 * Longest text file that is read, in bytes. Calibration needs about 1 MB, an evaluation a few; this much is tokenized
 * in some minutes and becomes a string of at most half the length that V8 can hold.
 */
export const MAX_TEXT_BYTES = 256 * 1024 * 1024;

/** What joins the documents of a JSONL file into one text. */
const DOCUMENT_SEPARATOR = '\n\n';

/** How a line of such a file looks. */
const EXPECTED = 'each line must be a JSON object with a string field "text"';

/**
 * Reads a text for calibration or evaluation, at most 256 MiB of valid UTF-8 (a byte order mark is dropped).
 *
 * A file named `.jsonl` or `.json` has one JSON object a line, each with a string field `text`; the documents are
 * joined by an empty line (`'\n\n'`), and blank lines are passed over. Any other file is the text itself.
 *
 * Errors are of kind `text` and name the file and, for JSONL, the line.
 */
export async function readText(file: string, signal?: AbortSignal): Promise<string> {
  const text = await readUtf8(file, signal);
  return /\.jsonl?$/i.test(file) ? joinDocuments(file, text) : text;
}

/** A text file as it is, without its byte order mark. @throws EsparseError 'text', see `readText` */
export async function readUtf8(file: string, signal?: AbortSignal): Promise<string> {
  return decode(file, await readBytes(file, signal));
}

async function readBytes(file: string, signal?: AbortSignal): Promise<Uint8Array> {
  let size: number;
  try {
    const facts = await stat(file);
    if (!facts.isFile()) throw new Error('it is not a regular file');
    size = facts.size;
    if (size <= MAX_TEXT_BYTES) return await readFile(file, { signal });
  } catch (error) {
    throwIfCancelled(signal, `reading ${file}`);
    throw new EsparseError('text', `${file} cannot be read: ${messageOf(error)}`, {
      context: { file },
      cause: error,
    });
  }
  throw new EsparseError('text', `${file} has ${size} bytes; at most ${MAX_TEXT_BYTES} are read`, {
    hint: 'cut the file: a few MB are enough to calibrate',
    context: { file },
  });
}

function decode(file: string, bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    throw new EsparseError('text', `${file} is not valid UTF-8`, {
      hint: bytes[0] === 0x1f && bytes[1] === 0x8b ? 'decompress it first' : 'convert it to UTF-8',
      context: { file },
      cause: error,
    });
  }
}

function joinDocuments(file: string, text: string): string {
  const documents = Array.from(parseJsonLines(file, text, EXPECTED), ({ number, value }) => {
    const place = { file, number, hint: EXPECTED };
    if (typeof value.text === 'string') return wholeCharacters(value.text, place);
    throw badLine({ ...place, why: 'no string field "text"' });
  });
  if (documents.length === 0)
    throw new EsparseError('text', `${file} has no documents`, { context: { file } });
  return documents.join(DOCUMENT_SEPARATOR);
}
