/** A part of a tokenizer.json. */
export type Json = Readonly<Record<string, unknown>>;

/** What of a tokenizer.json says how texts are cut before BPE. */
export interface PreTokenizer {
  readonly normalizer: Json | null;
  readonly pre_tokenizer: Json;
  /** Of the model: a piece that is a token is taken whole. */
  readonly ignoreMerges: boolean;
}

/** As a decoder, and where it stands for itself, as a pre-tokenizer. */
export const BYTE_LEVEL = {
  type: 'ByteLevel',
  add_prefix_space: false,
  trim_offsets: true,
  use_regex: true,
} as const;

const sequence = (...pretokenizers: readonly Json[]) => ({ type: 'Sequence', pretokenizers });

/** Pieces that an expression matches, each written in the letters of byte-level BPE. */
function split(regex: string): Json {
  return sequence(
    { type: 'Split', pattern: { Regex: regex }, behavior: 'Isolated', invert: false },
    { ...BYTE_LEVEL, use_regex: false },
  );
}

/** How texts are cut before BPE, by the names that llama.cpp gives to what models do (its `pre`). */
export const PRE_TOKENIZERS: ReadonlyMap<string, PreTokenizer> = new Map<string, PreTokenizer>([
  ['gpt-2', { normalizer: null, pre_tokenizer: BYTE_LEVEL, ignoreMerges: false }],
  ['default', { normalizer: null, pre_tokenizer: BYTE_LEVEL, ignoreMerges: false }],
  [
    'smollm',
    {
      normalizer: null,
      pre_tokenizer: sequence({ type: 'Digits', individual_digits: true }, BYTE_LEVEL),
      ignoreMerges: false,
    },
  ],
  [
    'llama-bpe',
    {
      normalizer: null,
      pre_tokenizer: split(
        "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
      ),
      ignoreMerges: true,
    },
  ],
  [
    'qwen2',
    {
      normalizer: { type: 'NFC' },
      pre_tokenizer: split(
        "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
      ),
      ignoreMerges: false,
    },
  ],
]);

/**
 * llama.cpp's name of how a tokenizer.json cuts texts; undefined where it has none.
 * @param cut its normalizer, pre-tokenizer, and `ignore_merges` of its model
 */
export function preTokenizerNamed(cut: {
  readonly normalizer: unknown;
  readonly pre_tokenizer: unknown;
  readonly ignoreMerges: boolean;
}): string | undefined {
  const wanted = JSON.stringify([stepsOf(cut.normalizer), stepsOf(cut.pre_tokenizer), cut.ignoreMerges]);
  for (const [name, { normalizer, pre_tokenizer, ignoreMerges }] of PRE_TOKENIZERS) {
    if (JSON.stringify([stepsOf(normalizer), stepsOf(pre_tokenizer), ignoreMerges]) === wanted) return name;
  }
  return undefined;
}

/** The steps of a normalizer or pre-tokenizer: what has no effect on tokens left out, defaults filled in, keys in order. */
function stepsOf(part: unknown): unknown[] {
  const step = (part ?? {}) as Json;
  const inner = step.pretokenizers ?? step.normalizers;
  if (step.type === 'Sequence' && Array.isArray(inner)) return inner.flatMap(stepsOf);
  if (step.type === undefined) return [];
  const effects = { ...(step.type === 'ByteLevel' && { use_regex: true }), ...step, trim_offsets: undefined };
  return [Object.entries(effects).sort(([a], [b]) => (a < b ? -1 : 1))];
}
