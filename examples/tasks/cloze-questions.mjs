/**
 * Makes multiple-choice questions of any text: which words go on with this beginning? Three choices are taken from elsewhere
 * in the text, so nothing is judged but the model's sense of what follows what.
 *
 *   node examples/tasks/cloze-questions.mjs TEXT [QUESTIONS] > questions.jsonl
 *   npx esparse eval --model path/to/Llama --tasks questions.jsonl
 *
 * The same text and number give the same questions, byte for byte.
 */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { pathToFileURL } from 'node:url';

const CONTEXT_WORDS = 24;
const CHOICE_WORDS = 8;
const CHOICES = 4;

/**
 * @param {string} text
 * @param {number} count of questions at most
 * @returns {{ context: string, choices: string[], answer: number }[]}
 */
export function clozeQuestions(text, count) {
  const passages = text
    .split('\n')
    .map((line) => line.split(/\s+/).filter(Boolean))
    .filter((words) => words.length >= CONTEXT_WORDS + CHOICE_WORDS);
  if (passages.length < CHOICES)
    throw new Error(`at least ${CHOICES} lines of ${CONTEXT_WORDS + CHOICE_WORDS} words are needed`);
  const random = generator();
  const below = (/** @type {number} */ n) => Math.floor(random() * n);
  const piece = (/** @type {string[]} */ words, /** @type {number} */ at) =>
    words.slice(at, at + CHOICE_WORDS).join(' ');

  // Spread over the whole text.
  const step = Math.max(1, passages.length / count);
  const questions = [];
  for (let at = 0; at < passages.length && questions.length < count; at += step) {
    const words = passages[Math.floor(at)];
    const right = piece(words, CONTEXT_WORDS);
    const choices = new Set([right]);
    for (let tries = 0; choices.size < CHOICES && tries < 100; tries++) {
      const other = passages[below(passages.length)];
      choices.add(piece(other, below(other.length - CHOICE_WORDS + 1)));
    }
    if (choices.size < CHOICES) continue;
    const [, ...others] = choices;
    const answer = below(CHOICES);
    others.splice(answer, 0, right);
    questions.push({ context: words.slice(0, CONTEXT_WORDS).join(' '), choices: others, answer });
  }
  return questions;
}

/** Numbers in [0, 1), always the same ones: the digests of 0, 1, 2 … */
function generator() {
  let drawn = 0;
  return () => createHash('sha256').update(String(drawn++)).digest().readUInt32BE() / 2 ** 32;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const [file, count = '500'] = process.argv.slice(2);
  if (file === undefined) {
    process.stderr.write('give a text: cloze-questions.mjs TEXT [QUESTIONS]\n');
    process.exit(2);
  }
  for (const question of clozeQuestions(await readFile(file, 'utf8'), Number(count))) {
    process.stdout.write(`${JSON.stringify(question)}\n`);
  }
}
