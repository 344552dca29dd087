import fc from 'fast-check';
import { Tokenizer } from 'tokenizers';
import { cutterFor } from './text-pieces.ts';
import { byteLevelTokenizer, sentencePieceTokenizer, type TokenizerJson } from './testing/tokenizers.ts';

const LLAMA3 = String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`;
const byRegex = (Regex: string) => ({
  type: 'Sequence',
  pretokenizers: [
    { type: 'Split', pattern: { Regex }, behavior: 'Isolated', invert: false },
    { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: false },
  ],
});
const addedWord = {
  id: 900,
  content: 'cab',
  single_word: false,
  lstrip: true,
  rstrip: false,
  normalized: false,
  special: false,
};

const TOKENIZERS: [string, TokenizerJson][] = [
  ['GPT-2', byteLevelTokenizer()],
  [
    'GPT-2 with a space put first',
    {
      ...byteLevelTokenizer(),
      pre_tokenizer: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    },
  ],
  ['LLaMA 3', { ...byteLevelTokenizer(), pre_tokenizer: byRegex(LLAMA3) }],
  [
    'Qwen 2',
    {
      ...byteLevelTokenizer(),
      normalizer: { type: 'NFC' },
      pre_tokenizer: byRegex(LLAMA3.replace('{1,3}', '')),
    },
  ],
  [
    'GPT-2 with an added word',
    { ...byteLevelTokenizer(), added_tokens: [...byteLevelTokenizer().added_tokens, addedWord] },
  ],
  ['LLaMA 2', sentencePieceTokenizer()],
];

/** Pieces of text with everything that pre-tokenizers treat in a way of its own. */
const texts = fc
  .array(
    fc.oneof(
      { weight: 6, arbitrary: fc.constantFrom('a', 'b', 'c', 'ab', 'cab', ' ', ' ', ' a', "'s", '  ', '.') },
      {
        weight: 1,
        arbitrary: fc.constantFrom(
          '\n',
          '\n\n',
          '\t',
          '1',
          '12',
          '<s>',
          'é',
          'e\u0301',
          '\u0301',
          '世',
          '🌍',
          '▁',
          '\u00a0',
          "'S",
        ),
      },
    ),
    { minLength: 10, maxLength: 80, size: 'max' },
  )
  .map((parts) => parts.join(''));

test.each(TOKENIZERS)('the tokens of the pieces are the tokens of the whole: %s', async (_, json) => {
  const tokenizer = Tokenizer.fromString(JSON.stringify({ ...json, truncation: null }));
  const encode = async (text: string) =>
    (await tokenizer.encode(text, null, { addSpecialTokens: false })).getIds();
  const cut = cutterFor(json, 4)!;
  let cuts = 0;
  await fc.assert(
    fc.asyncProperty(texts, async (text) => {
      const pieces = [...cut(text)];
      cuts += pieces.length - 1;
      const tokens = await Promise.all(pieces.map(encode));
      expect(tokens.flat()).toEqual(await encode(text));
    }),
    { seed: 6, numRuns: 200 },
  );
  expect(cuts).toBeGreaterThan(200);
});

test('a text without a place to cut is one piece, and so is a short one', () => {
  const cut = cutterFor(byteLevelTokenizer(), 4)!;
  expect([...cut('世界世界世界 世界')]).toEqual(['世界世界世界 世界']);
  expect([...cut('a b')]).toEqual(['a b']);
  expect([...cut('')]).toEqual(['']);
  expect([...cut('abcd ef gh')]).toEqual(['abcd ef', ' gh']);
});

const byteLevel = byteLevelTokenizer();
const sentencePiece = sentencePieceTokenizer();
const withAdded = (json: TokenizerJson, change: object) => ({
  ...json,
  added_tokens: [{ ...addedWord, ...change }],
});
const withModel = (json: TokenizerJson, change: object) => ({ ...json, model: { ...json.model, ...change } });

test.each<[string, Record<string, unknown>]>([
  ['nothing known', {}],
  ['an unknown normalizer', { ...byteLevel, normalizer: { type: 'Lowercase' } }],
  ['an unknown pre-tokenizer', { ...byteLevel, pre_tokenizer: { type: 'Whitespace' } }],
  ['byte level without words', { ...byteLevel, pre_tokenizer: { type: 'ByteLevel', use_regex: false } }],
  ['another regular expression', { ...byteLevel, pre_tokenizer: byRegex('a b') }],
  ['an added token across a cut', withAdded(byteLevel, { content: 'x y' })],
  ['an added token that ends in the space of a cut', withAdded(byteLevel, { content: 'x ' })],
  ['an added token that swallows a space', withAdded(byteLevel, { rstrip: true })],
  ['dropout', withModel(byteLevel, { dropout: 0.1 })],
  [
    'a token with ▁ inside',
    withModel(sentencePiece, { vocab: { ...sentencePiece.model.vocab, 'a▁b': 999 } }),
  ],
  ['a letter without a token', withModel(sentencePiece, { vocab: { '▁': 0, a: 1 } })],
  ['whole words looked up first', withModel(sentencePiece, { ignore_merges: true })],
  ['SentencePiece with an added word', withAdded(sentencePiece, {})],
  ['SentencePiece with an added space', withAdded(sentencePiece, { content: ' ' })],
  ['a unigram model over the whole text', withModel(sentencePiece, { type: 'Unigram' })],
])('no cut is trusted with %s', (_, json) => {
  expect(cutterFor(json)).toBeUndefined();
});
