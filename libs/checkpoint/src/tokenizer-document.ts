import { EsparseError } from '@esparse/errors';
import { isObject } from './json.ts';

/** Steps of a normalizer, pre-tokenizer or post-processor; public tokenizers have up to ten. */
const MAX_STEPS = 64;

/** Characters of a regular expression; the longest public ones have some hundred. */
const MAX_REGEX_CHARACTERS = 8 * 1024;

/** A count in a regular expression, `{3}` or `{1,3}`; public ones count to three. */
const MAX_REGEX_COUNT = 1000;

/** Characters that a step puts in the place of others, or before a text. */
const MAX_INSERTED_CHARACTERS = 1024;

/** How many times longer all steps together may make a text; public tokenizers keep its length. */
const MAX_GROWTH = 64;

/**
 * Refuses a tokenizer.json with parts on which the tokenizers library crashes, or that make a short text huge. What a
 * document does not show, such as what a regular expression costs on some text, is left to the limits of the process
 * that tokenizes: see `tokenizer-process.ts`.
 *
 * @throws EsparseError 'checkpoint'
 */
export function checkTokenizerDocument(json: Readonly<Record<string, unknown>>, where: string): void {
  const refuse = (what: string) => {
    throw new EsparseError('checkpoint', `${where}/tokenizer.json cannot be used: ${what}`, {
      hint: 'take the tokenizer.json that was published with the model',
    });
  };
  const steps = [json.normalizer, json.pre_tokenizer, json.post_processor].flatMap(stepsOf);
  if (steps.length > MAX_STEPS) refuse(`${steps.length} steps are more than ${MAX_STEPS}`);
  let growth = 1;
  for (const step of steps) {
    const fault = faultOf(step);
    if (fault !== undefined) refuse(`${String(step.type)} ${fault}`);
    growth *= Math.max(1, growthOf(step));
  }
  if (growth > MAX_GROWTH) {
    refuse(`its steps together make a text up to ${growth.toPrecision(2)} times longer`);
  }
}

type Step = Readonly<Record<string, unknown>>;

/** A part's own steps, those of its sequences instead of the sequences. */
function stepsOf(part: unknown): Step[] {
  if (!isObject(part)) return [];
  if (part.type !== 'Sequence') return [part];
  const inner = part.normalizers ?? part.pretokenizers ?? part.processors;
  return Array.isArray(inner) ? inner.flatMap(stepsOf) : [];
}

/** What is wrong with a step alone. What is not as the library wants it at all is left to the library. */
function faultOf(step: Step): string | undefined {
  const regex = regexOf(step);
  if (regex !== undefined) {
    if (regex.length > MAX_REGEX_CHARACTERS) return `has a regular expression of ${regex.length} characters`;
    const count = largestCount(regex);
    if (count > MAX_REGEX_COUNT) return `counts to ${count} in its regular expression`;
  }
  const inserted = insertedBy(step);
  if (inserted > MAX_INSERTED_CHARACTERS) return `inserts ${inserted} characters`;
  switch (step.type) {
    case 'FixedLength':
      return step.length === 0 ? 'cuts a text into pieces of no characters' : undefined;
    case 'Replace':
      return patternOf(step) === '' ? 'replaces the empty text' : undefined;
    case 'Precompiled':
      return typeof step.precompiled_charsmap === 'string' && !isCharsmap(step.precompiled_charsmap)
        ? 'has a table that is damaged'
        : undefined;
    default:
      return undefined;
  }
}

/** How many times longer a step can make a text. */
function growthOf(step: Step): number {
  if (step.type === 'Replace') {
    // A regular expression may match a single character.
    const replaced = regexOf(step) === undefined ? Math.max(1, patternOf(step)?.length ?? 1) : 1;
    return insertedBy(step) / replaced;
  }
  if (step.type === 'TemplateProcessing' && Array.isArray(step.single)) {
    return step.single.filter((piece) => isObject(piece) && 'Sequence' in piece).length;
  }
  return 1;
}

function regexOf({ pattern }: Step): string | undefined {
  return isObject(pattern) && typeof pattern.Regex === 'string' ? pattern.Regex : undefined;
}

function patternOf({ pattern }: Step): string | undefined {
  const text = isObject(pattern) ? (pattern.String ?? pattern.Regex) : undefined;
  return typeof text === 'string' ? text : undefined;
}

function insertedBy({ type, content, prepend }: Step): number {
  const text = type === 'Replace' ? content : type === 'Prepend' ? prepend : undefined;
  return typeof text === 'string' ? text.length : 0;
}

function largestCount(regex: string): number {
  const counts = [...regex.matchAll(/\{(\d*)(?:,(\d*))?\}/g)].flatMap(([, from, to]) => [from, to]);
  return Math.max(0, ...counts.map((digits) => Number(digits ?? 0)));
}

/** SentencePiece's table: the length of a trie, the trie of 32-bit units, and texts in UTF-8 that it points to. */
function isCharsmap(base64: string): boolean {
  const bytes = Buffer.from(base64, 'base64');
  if (bytes.length < 4) return false;
  const trie = bytes.readUInt32LE(0);
  if (trie === 0 || trie % 4 !== 0 || 4 + trie > bytes.length) return false;
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(4 + trie));
    return true;
  } catch {
    return false;
  }
}
