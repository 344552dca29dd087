import { makeTokenizer, makeTokenText } from '@esparse/checkpoint';
import type { ErrorKind } from '@esparse/errors';
import { syntheticTokenizer } from '../../support/synthetic-tokenizer.ts';
import { mutateJson } from '../mutate-json.ts';
import type { Random } from '../random.ts';
import { refusedAs, type Subject } from '../subject.ts';

/** What a hostile tokenizer, or a text that it cannot take, may be refused as. */
const KINDS: readonly ErrorKind[] = ['checkpoint', 'text', 'unsupported'];
const TEXTS = [
  'Once upon a time',
  ' ',
  '\u0000\ud800',
  'a'.repeat(2000),
  `${' '.repeat(2000)}x`,
  '日本語 🦙 <s></s>',
];

const regex = (Regex: string) => ({ Regex });
/** Parts that a document may have, each with something to break in it. */
const NORMALIZERS = [
  null,
  { type: 'NFKC' },
  { type: 'Prepend', prepend: '▁' },
  { type: 'Replace', pattern: { String: ' ' }, content: '▁' },
  { type: 'Replace', pattern: regex('(a+)+b'), content: 'aa' },
  { type: 'Precompiled', precompiled_charsmap: 'AAAA' },
  {
    type: 'BertNormalizer',
    clean_text: true,
    handle_chinese_chars: true,
    strip_accents: null,
    lowercase: true,
  },
];
const PRE_TOKENIZERS = [
  null,
  { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true },
  { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always', split: true },
  {
    type: 'Split',
    pattern: regex("(?i:'s|'t)|\\p{L}+|\\s+(?!\\S)|\\s+"),
    behavior: 'Isolated',
    invert: false,
  },
  { type: 'Digits', individual_digits: true },
  { type: 'Split', pattern: { String: '' }, behavior: 'Removed', invert: true },
];
const DECODERS = [
  null,
  { type: 'ByteFallback' },
  { type: 'Fuse' },
  { type: 'Strip', content: ' ', start: 1, stop: 0 },
  { type: 'WordPiece', prefix: '##', cleanup: true },
];
const MODELS = [
  {
    type: 'WordPiece',
    unk_token: '[UNK]',
    continuing_subword_prefix: '##',
    max_input_chars_per_word: 100,
    vocab: { '[UNK]': 0, a: 1, '##a': 2 },
  },
  { type: 'WordLevel', unk_token: '[UNK]', vocab: { '[UNK]': 0, Once: 1 } },
  {
    type: 'Unigram',
    unk_id: 0,
    byte_fallback: false,
    vocab: [
      ['<unk>', 0],
      ['▁', -1],
      ['a', -2.5],
    ],
  },
];

/**
 * Tokenizers of every kind with a change in their document, and texts that are hard to split. Law: a text has tokens, which
 * are text again, or tokenizer or text are refused by name.
 */
export const tokenizers: Subject = {
  open() {
    const [document, settings] = syntheticTokenizer(300) as [File, File];
    const base = JSON.parse(Buffer.from(document.bytes).toString()) as Readonly<Record<string, unknown>>;
    return Promise.resolve({
      async try(random: Random) {
        const whole = JSON.stringify(withParts(base, random));
        const [changed, what] = mutateJson(whole, random)!;
        const files = [{ ...document, bytes: Buffer.from(random.chance(0.8) ? changed : whole) }, settings];
        const text = random.pick(TEXTS);
        const label = `${what}, on ${JSON.stringify(text.slice(0, 20))}`;
        const refused = await refusedAs(KINDS, label, () => roundTrip(files, text));
        return { what: label, outcome: refused ?? 'accepted' };
      },
      close: () => Promise.resolve(),
    });
  },
};

type File = ReturnType<typeof syntheticTokenizer>[number];

/** Some parts are others. */
function withParts(base: Readonly<Record<string, unknown>>, random: Random): Record<string, unknown> {
  return {
    ...base,
    ...(random.chance(0.5) && { normalizer: random.pick(NORMALIZERS) }),
    ...(random.chance(0.5) && { pre_tokenizer: random.pick(PRE_TOKENIZERS) }),
    ...(random.chance(0.3) && { decoder: random.pick(DECODERS) }),
    ...(random.chance(0.5) && { model: random.pick(MODELS) }),
  };
}

async function roundTrip(files: readonly File[], text: string): Promise<void> {
  const tokenizer = await makeTokenizer(files, 'the tokenizer');
  try {
    const tokens = await tokenizer.encode(text, { bos: false });
    const stream = makeTokenText(files, 'the tokenizer').stream();
    for (const token of tokens) stream.push(token);
    stream.end();
  } finally {
    tokenizer.close();
  }
}
