import path from 'node:path';
import { openTokenizer } from '@esparse/checkpoint';
import { logSumExps, openEngine, type Engine } from '@esparse/engine';
import { encodeQuestions, type EncodedChoice } from './encode-questions.ts';
import { questionOf } from './forms.ts';
import { scoreQuestions } from './score-questions.ts';

const MODEL = path.join(__dirname, '../../../../examples/models/llama-2m');
const LINES = [
  {
    context: 'Once upon a time, there was a little',
    choices: ['girl', 'girl named Lily. She', 'of'],
    answer: 0,
  },
  { context: 'The old man sat down.\n', choices: ['He was tired.', 'He was, he said, a king'], answer: 0 },
  { sentence: 'Tom and the dog ran: _ barked at the moon.', option1: 'the dog', option2: 'Tom', answer: '1' },
  { context: '', choices: ['Once upon', 'zebra crossing'], answer: 0 },
];

async function encoded(): Promise<EncodedChoice[][]> {
  const tokenizer = await openTokenizer(MODEL);
  try {
    const set = { name: 'set', file: 'set.jsonl', sha256: '', questions: LINES.map(questionOf) };
    return await encodeQuestions(set, { tokenizer, bos: false, beginning: 0 });
  } finally {
    tokenizer.close();
  }
}

/** The definition: the sum of the log-probabilities of the scored tokens, in a sequence of its own. */
async function byDefinition(engine: Engine, { tokens, scoredFrom }: EncodedChoice): Promise<number> {
  const sequence = engine.reserve(tokens.length)!;
  let score = 0;
  for (const [i, token] of tokens.entries()) {
    const [logits] = await engine.step([{ sequence, tokens: Uint32Array.of(token), want: 'lastLogits' }]);
    if (i + 1 === tokens.length || i + 1 < scoredFrom) continue;
    const [total] = await logSumExps(logits, logits.length);
    score += logits[tokens[i + 1]!]! - total!;
  }
  sequence.release();
  return score;
}

test('a choice has the score of its tokens by themselves, to the last bit: in any batch, cut anyhow, whatever it shares', async () => {
  const questions = await encoded();
  const engine = await openEngine({ model: MODEL, threads: 1, kvBytes: 16 << 20 });
  const expected: number[][] = [];
  for (const choices of questions) {
    expected.push([]);
    for (const choice of choices) expected.at(-1)!.push(await byDefinition(engine, choice));
  }
  const pages = engine.freePages();
  const progress: number[] = [];
  const found = await scoreQuestions(questions, { engine, onProgress: (done) => progress.push(done) });
  expect(found).toEqual({ scores: expected, cut: 0 });
  expect(progress).toEqual([1, 2, 3, 4]);
  expect(engine.freePages()).toBe(pages);
  await engine.close();
  // Steps of three tokens, and a cache that holds one question at a time.
  const narrow = await openEngine({
    model: MODEL,
    threads: 1,
    maxStepTokens: 3,
    kvBytes: 2 * engine.pageBytes,
  });
  expect(narrow.pages).toBe(2);
  expect((await scoreQuestions([...questions].reverse(), { engine: narrow })).scores).toEqual(
    expected.reverse(),
  );
  await narrow.close();
});

test('tokens are split as lm-evaluation-harness splits them, and a context without text has the model’s beginning', async () => {
  const questions = await encoded();
  const tokenizer = await openTokenizer(MODEL);
  const whole = await tokenizer.encode('The old man sat down.\n He was tired.', { bos: false });
  const given = await tokenizer.encode('The old man sat down.', { bos: false });
  expect(questions[1]![0]).toEqual({ tokens: whole, scoredFrom: given.length });
  expect(questions[3]![0]!.scoredFrom).toBe(1);
  expect(questions[3]![0]!.tokens[0]).toBe(tokenizer.bosId ?? 0);
  tokenizer.close();
});

test('a context that is too long loses its beginning, and a choice that does not fit is refused', async () => {
  const engine = await openEngine({ model: MODEL, threads: 1, maxContext: 6 });
  const choice = { tokens: Uint32Array.of(5, 6, 7, 8, 9, 10, 11, 12, 13), scoredFrom: 7 };
  const short = { tokens: choice.tokens.subarray(2), scoredFrom: 5 };
  const { scores, cut } = await scoreQuestions([[choice, short]], { engine });
  expect(cut).toBe(1);
  expect(scores[0]![0]).toBe(scores[0]![1]);
  const long = { tokens: choice.tokens, scoredFrom: 1 };
  await expect(scoreQuestions([[long, short]], { engine })).rejects.toMatchObject({ kind: 'text' });
  expect(engine.freePages()).toBe(engine.pages);
  await engine.close();
});
