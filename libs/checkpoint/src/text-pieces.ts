import { isObject } from './json.ts';

/**
 * Characters of a piece, at least: some 130 bytes of memory per character while it is tokenized, measured, so about
 * 35 MB, and a quarter of a second between two looks at the abort signal.
 */
const PIECE_CHARACTERS = 256 * 1024;

/** Cuts a text into pieces whose token sequences, one after another, are exactly that of the whole text. */
export type TextCutter = (text: string) => Generator<string, void, undefined>;

/**
 * A cutter for a tokenizer, or `undefined` where none is known to be exact. Both cut at a single space between two
 * letters a to z:
 *
 * - Pre-tokenizers by one of the regular expressions below (GPT-2, LLaMA 3, Qwen 2; with no normalizer, or NFC):
 *   in all of them a word ends at the space and the next begins with it, whatever is further left or right, and the
 *   model sees words only. The piece keeps its space.
 * - SentencePiece as converted for LLaMA 1 and 2 (a normalizer that prepends ▁ and turns spaces into ▁, no
 *   pre-tokenizer): the model merges over the whole text, but where no token has ▁ after another character no merge
 *   can cross the cut. The piece loses its space, as the normalizer prepends one.
 *
 * Added tokens are found before either, so none may reach over a cut or swallow the space after it.
 *
 * @param json the parsed tokenizer.json
 * @param pieceLength characters of a piece, at least
 */
export function cutterFor(
  json: Readonly<Record<string, unknown>>,
  pieceLength = PIECE_CHARACTERS,
): TextCutter | undefined {
  const model = isObject(json.model) ? json.model : {};
  const added = Array.isArray(json.added_tokens) ? json.added_tokens.filter(isObject) : [];
  if (isSet(model.dropout) || added.some(reachesOverCut)) return undefined;
  if (cutsAtWords(json)) return (text) => pieces(text, pieceLength, 1);
  return isSentencePiece(json, model) && !added.some(startsAtCut)
    ? (text) => pieces(text, pieceLength, 2)
    : undefined;
}

/** Yields pieces of `length` or somewhat more; the next one starts `skip` after the letter before a cut. */
function* pieces(text: string, length: number, skip: 1 | 2): Generator<string, void, undefined> {
  const cut = /[a-z] [a-z]/g;
  let begin = 0;
  while (text.length - begin > length) {
    cut.lastIndex = begin + length;
    const found = cut.exec(text);
    if (found === null) break;
    yield text.slice(begin, found.index + 1);
    begin = found.index + skip;
  }
  yield text.slice(begin);
}

/** The pre-tokenizers of GPT-2 (also inside `ByteLevel`), LLaMA 3 and Qwen 2. */
const WORD_PATTERNS: readonly unknown[] = [
  String.raw`'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`,
  String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`,
  String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`,
];

function cutsAtWords({ normalizer, pre_tokenizer: pre }: Readonly<Record<string, unknown>>): boolean {
  // NFC composes a letter with marks that follow it, and here a space follows.
  if (isSet(normalizer) && !hasType(normalizer, 'NFC')) return false;
  if (hasType(pre, 'ByteLevel')) return pre.use_regex !== false;
  if (!hasType(pre, 'Sequence') || !Array.isArray(pre.pretokenizers)) return false;
  const [split, bytes, ...more] = pre.pretokenizers as unknown[];
  return (
    more.length === 0 &&
    hasType(split, 'Split') &&
    split.behavior === 'Isolated' &&
    split.invert === false &&
    isObject(split.pattern) &&
    WORD_PATTERNS.includes(split.pattern.Regex) &&
    hasType(bytes, 'ByteLevel') &&
    bytes.use_regex === false &&
    bytes.add_prefix_space === false
  );
}

function isSentencePiece(
  { normalizer, pre_tokenizer: pre }: Readonly<Record<string, unknown>>,
  model: Readonly<Record<string, unknown>>,
): boolean {
  if (isSet(pre) || !hasType(normalizer, 'Sequence') || !Array.isArray(normalizer.normalizers)) return false;
  const [prepend, replace, ...more] = normalizer.normalizers as unknown[];
  const normalizes =
    more.length === 0 &&
    hasType(prepend, 'Prepend') &&
    prepend.prepend === '▁' &&
    hasType(replace, 'Replace') &&
    isObject(replace.pattern) &&
    replace.pattern.String === ' ' &&
    replace.content === '▁';
  const plain =
    model.type === 'BPE' &&
    model.ignore_merges !== true &&
    !isSet(model.continuing_subword_prefix) &&
    !isSet(model.end_of_word_suffix);
  if (!normalizes || !plain || !isObject(model.vocab)) return false;
  const vocab = model.vocab;
  // A character without a token would be fused with unknown ones beside it.
  const known = Array.from('▁abcdefghijklmnopqrstuvwxyz').every((letter) => Object.hasOwn(vocab, letter));
  return known && Object.keys(vocab).every((token) => !/[^▁]▁/u.test(token));
}

function isSet(value: unknown): boolean {
  return value !== null && value !== undefined;
}

function hasType(value: unknown, type: string): value is Record<string, unknown> {
  return isObject(value) && value.type === type;
}

/** Whether it may match across a cut, or over the space at one. ▁ counts as a space, since normalizers write it. */
function reachesOverCut({ content, rstrip }: Record<string, unknown>): boolean {
  return typeof content !== 'string' || /[a-z][ ▁]/.test(content) || rstrip !== false;
}

/** Whether it may match where a piece begins that has lost its space. */
function startsAtCut({ content }: Record<string, unknown>): boolean {
  return typeof content !== 'string' || /^[ ▁a-z]/.test(content);
}
