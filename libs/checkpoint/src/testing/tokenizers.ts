/** A tokenizer.json, as far as tests change it. */
export interface TokenizerJson extends Record<string, unknown> {
  readonly model: { readonly vocab: Record<string, number> } & Record<string, unknown>;
  readonly added_tokens: Record<string, unknown>[];
}

/** The character by which byte-level tokenizers show each byte (GPT-2's table, from its definition). */
const BYTE_CHARACTERS: readonly string[] = (() => {
  let unprintable = 0;
  return Array.from({ length: 256 }, (_, byte) => {
    const printable = (byte > 32 && byte < 127) || (byte > 160 && byte !== 173);
    return String.fromCodePoint(printable ? byte : 256 + unprintable++);
  });
})();

const addedToken = (id: number, content: string) => ({
  id,
  content,
  single_word: false,
  lstrip: false,
  rstrip: false,
  normalized: false,
  special: true,
});

function bpe(singles: readonly string[], merges: readonly string[]): TokenizerJson['model'] {
  const tokens = [...new Set(['<s>', '<unk>', ...singles, ...merges.map((merge) => merge.replace(' ', ''))])];
  return {
    type: 'BPE',
    dropout: null,
    unk_token: null,
    continuing_subword_prefix: null,
    end_of_word_suffix: null,
    fuse_unk: false,
    byte_fallback: false,
    ignore_merges: false,
    vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
    merges,
  };
}

/** A small byte-level BPE tokenizer in the manner of GPT-2: every text has tokens, and decodes to itself. */
export function byteLevelTokenizer(): TokenizerJson {
  const merges = [
    'Ġ a',
    'Ġ b',
    'a b',
    'Ġa b',
    'c a',
    'ca b',
    'Ġ Ġ',
    'ĠĠ ĠĠ',
    'Ċ Ċ',
    "' s",
    'Ã ©',
    'a c',
    'Ġ 1',
    '1 2',
  ];
  return {
    version: '1.0',
    truncation: { direction: 'Right', max_length: 4, strategy: 'LongestFirst', stride: 0 },
    padding: null,
    added_tokens: [addedToken(0, '<s>')],
    normalizer: null,
    pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true },
    post_processor: null,
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: bpe(BYTE_CHARACTERS, merges),
  };
}

/** A small tokenizer in the manner of LLaMA 2: SentencePiece BPE over the whole text, ▁ for space, bytes as a fallback. */
export function sentencePieceTokenizer(): TokenizerJson {
  const merges = ['▁ a', '▁ b', '▁ ▁', 'a b', '▁a b', '▁▁ ▁▁', 'c a', 'ca b', 'b c', '▁ ca', '▁▁ ab'];
  const bytes = Array.from({ length: 256 }, (_, b) => `<0x${b.toString(16).toUpperCase().padStart(2, '0')}>`);
  const model = bpe(
    [...bytes, '▁', ...Array.from({ length: 26 }, (_, i) => String.fromCharCode(97 + i)), '.'],
    merges,
  );
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: [addedToken(0, '<s>'), addedToken(1, '<unk>')],
    normalizer: {
      type: 'Sequence',
      normalizers: [
        { type: 'Prepend', prepend: '▁' },
        { type: 'Replace', pattern: { String: ' ' }, content: '▁' },
      ],
    },
    pre_tokenizer: null,
    post_processor: null,
    decoder: {
      type: 'Sequence',
      decoders: [
        { type: 'Replace', pattern: { String: '▁' }, content: ' ' },
        { type: 'ByteFallback' },
        { type: 'Fuse' },
        { type: 'Strip', content: ' ', start: 1, stop: 0 },
      ],
    },
    model: { ...model, unk_token: '<unk>', fuse_unk: true, byte_fallback: true },
  };
}
