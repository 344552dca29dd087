/** Tokenizers and texts on which the tokenizers library ends its process, never ends, or takes all memory. */
import { openTokenizers } from './testing/open-tokenizers.ts';
import { byteLevelTokenizer, type TokenizerJson } from './testing/tokenizers.ts';

const tokenizers = openTokenizers();
afterEach(tokenizers.close);

const open = (changes: Record<string, unknown>) => {
  const json: TokenizerJson = { ...byteLevelTokenizer(), ...changes };
  return tokenizers.of([{ name: 'tokenizer.json', bytes: new TextEncoder().encode(JSON.stringify(json)) }]);
};

const LLAMA3 = String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`;
const CATASTROPHIC = String.raw`(?=(?:\p{L}|\p{Ll})+\s\d)\w+|\w+`;
/** The same, but of runs of q alone: nothing finds it before such a text comes. */
const HIDDEN = String.raw`(?=(?:q|[pq])+\s\d)\w+|\w+`;

const split = (Regex: string) => ({
  pre_tokenizer: {
    type: 'Sequence',
    pretokenizers: [
      { type: 'Split', pattern: { Regex }, behavior: 'Isolated', invert: false },
      { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: false },
    ],
  },
});
const replace = (pattern: object, content: string) => ({ type: 'Replace', pattern, content });
const charsmap = (...bytes: number[]) => ({
  normalizer: { type: 'Precompiled', precompiled_charsmap: Buffer.from(bytes).toString('base64') },
});
const sequence = (step: object, times: number) => ({
  normalizer: { type: 'Sequence', normalizers: Array.from({ length: times }, () => step) },
});
const wholeText = { Sequence: { id: 'A', type_id: 0 } };

test.each<[string, object, RegExp]>([
  ['a regular expression that backtracks without end', split(CATASTROPHIC), /retry-limit-in-match/],
  ['nested repetition', split('(a+)+$'), /retry-limit-in-match/],
  ['an absurd count', split('a{1,99999}'), /counts to 99999/],
  ['an endless regular expression', split('a'.repeat(100_000)), /100000 characters/],
  ['pieces of no characters', { pre_tokenizer: { type: 'FixedLength', length: 0 } }, /FixedLength/],
  [
    'a replacement of nothing',
    { normalizer: replace({ String: '' }, 'x') },
    /Replace replaces the empty text/,
  ],
  ['a replacement of what may be nothing', { normalizer: replace({ Regex: 'b*' }, 'x') }, /out of bounds/],
  ['a table that is too short', charsmap(0, 0, 0), /Precompiled has a table that is damaged/],
  ['a table that ends too early', charsmap(255, 255, 0, 0, 1), /Precompiled has a table that is damaged/],
  ['a table that points beyond its end', charsmap(4, 0, 0, 0, 255, 255, 255, 255), /out of bounds/],
  ['replacements that double', sequence(replace({ String: 'a' }, 'aa'), 40), /times longer/],
  ['a replacement by a book', { normalizer: replace({ String: 'a' }, 'b'.repeat(9_999)) }, /inserts 9999/],
  ['too many steps', sequence({ type: 'NFC' }, 65), /steps are more than 64/],
  [
    'a template that repeats the text',
    {
      post_processor: {
        type: 'TemplateProcessing',
        single: Array(99).fill(wholeText),
        pair: [],
        special_tokens: {},
      },
    },
    /times longer/,
  ],
])('a tokenizer with %s is refused when it is opened', async (_, changes, words) => {
  await expect(open({ ...changes })).rejects.toMatchObject({
    kind: 'checkpoint',
    message: expect.stringMatching(words),
  });
});

test('a text that a tokenizer crashes on is refused, and those beside it have their tokens', async () => {
  const tokenizer = await open(split(HIDDEN));
  const good = ['cab', 'ab ab', 'b', 'a', 'c'];
  const encode = (text: string) => tokenizer.encode(text, { bos: false });
  const expected = await Promise.all(good.map(encode));
  const bad = 'q'.repeat(60);
  const outcomes = await Promise.allSettled([bad, ...good, bad].map(encode));
  expect(outcomes.slice(1, -1)).toEqual(expected.map((value) => ({ status: 'fulfilled', value })));
  for (const outcome of [outcomes[0], outcomes.at(-1)]) {
    expect(outcome).toMatchObject({
      status: 'rejected',
      reason: { kind: 'text', message: expect.stringContaining('retry-limit-in-match over') },
    });
  }
});

test('a run of spaces on which a public tokenizer gives up is an error of the text', async () => {
  const tokenizer = await open(split(LLAMA3));
  await expect(tokenizer.encode(`${' '.repeat(12_000_000)}a`, { bos: false })).rejects.toMatchObject({
    kind: 'text',
    message: expect.stringContaining('retry-limit-in-match over'),
  });
});

test('an unknown character where the tokenizer has no token for it is an error of the text', async () => {
  const model = { type: 'Unigram', unk_id: null, byte_fallback: false, vocab: [['a', -1]] };
  const tokenizer = await open({ model, pre_tokenizer: null });
  expect(await tokenizer.encode('aa', { bos: false })).toHaveLength(2);
  await expect(tokenizer.encode('x', { bos: false })).rejects.toMatchObject({
    kind: 'text',
    message: expect.stringContaining('unk_id'),
  });
});
