import type { Readable } from 'node:stream';

/** What a process puts before the reason for which it ends itself. */
export const LAST_WORDS = 'last words: ';

/** Of what a process writes to standard error: a panic says its cause first, then a long stack. */
const MAX_CHARACTERS = 16 * 1024;
const MAX_CAUSE_CHARACTERS = 200;

/** Reads what a process writes to standard error, and finds in it why the process has ended. */
export function listenForLastWords(stderr: Readable): (code: number | null, signal: string | null) => string {
  let text = '';
  stderr.setEncoding('utf8').on('data', (part: string) => {
    text = (text + part).slice(0, MAX_CHARACTERS);
  });
  return (code, signal) => causeIn(text) ?? `ends its process with ${signal ?? `exit code ${String(code)}`}`;
}

function causeIn(text: string): string | undefined {
  const own = text.lastIndexOf(LAST_WORDS);
  if (own >= 0) return firstLine(text.slice(own + LAST_WORDS.length));
  if (text.includes('heap out of memory')) return 'needs too much memory';
  // Rust: the place on one line, the cause on the next.
  const panic = /panicked at [^\n]*\n([^\n]+)/.exec(text)?.[1];
  return panic === undefined ? undefined : firstLine(panic);
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0]!.trim().slice(0, MAX_CAUSE_CHARACTERS);
}
