import { forEachBounded } from '@esparse/storage';
import type { TextTokenizer } from '@esparse/checkpoint';
import { EsparseError } from '@esparse/errors';
import type { Choice } from './question.ts';
import type { QuestionSet } from './read-questions.ts';

/** A choice as tokens: the likelihood of those from `scoredFrom` on is its score. */
export interface EncodedChoice {
  readonly tokens: Uint32Array;
  /** At least 1: something is given. */
  readonly scoredFrom: number;
}

export interface EncodeQuestionsOptions {
  readonly tokenizer: TextTokenizer;
  /** Whether each context begins with the BOS token. */
  readonly bos: boolean;
  /** What stands for a context without text, such as an end token, where the tokenizer has no BOS. */
  readonly beginning?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Called with how many questions are done. */
  readonly onProgress?: ((done: number) => void) | undefined;
}

/** Questions whose texts are tokenized at once: as many pieces as a tokenizer takes at a time. */
const AT_ONCE = 4;

/**
 * Tokens of all choices of all questions, split where lm-evaluation-harness splits them: white space between the two texts
 * belongs to the second; both are tokenized as one text, and so many of its tokens are given as the first has by itself.
 *
 * @throws EsparseError 'text' for a choice that adds no token, or a context without text where nothing can stand for it
 */
export async function encodeQuestions(
  { file, questions }: QuestionSet,
  options: EncodeQuestionsOptions,
): Promise<EncodedChoice[][]> {
  const encoded = new Array<EncodedChoice[]>(questions.length);
  let done = 0;
  await forEachBounded(questions.length, AT_ONCE, async (i) => {
    options.signal?.throwIfAborted();
    const known = new Map<string, Uint32Array>();
    encoded[i] = [];
    for (const [choice, texts] of questions[i]!.choices.entries()) {
      const found = await encodeChoice(texts, known, options);
      if (found.tokens.length <= found.scoredFrom) {
        throw new EsparseError(
          'text',
          `${file}, question ${i}: choice ${choice} adds no token to its context`,
        );
      }
      encoded[i].push(found);
    }
    done++;
    options.onProgress?.(done);
  });
  return encoded;
}

/** @param known tokens of contexts that choices of the question share */
async function encodeChoice(
  { context: written, continuation }: Choice,
  known: Map<string, Uint32Array>,
  { tokenizer, bos, beginning, signal }: EncodeQuestionsOptions,
): Promise<EncodedChoice> {
  const context = written.trimEnd();
  const whole = await tokenizer.encode(`${written}${continuation}`, { bos: bos && context !== '', signal });
  if (context === '') {
    const first = tokenizer.bosId ?? beginning;
    if (first === undefined) throw nothingGiven();
    return { tokens: Uint32Array.of(first, ...whole), scoredFrom: 1 };
  }
  const given = known.get(context) ?? (await tokenizer.encode(context, { bos, signal }));
  known.set(context, given);
  return { tokens: whole, scoredFrom: given.length };
}

function nothingGiven(): EsparseError {
  return new EsparseError(
    'text',
    'a question has no context, and the model no BOS or end token to begin with',
    {
      hint: 'give every question a context',
    },
  );
}
