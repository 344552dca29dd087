import { EsparseError } from '@esparse/errors';
import type { GgufHeader } from './header.ts';
import { Metadata } from './metadata.ts';
import { BYTE_LEVEL, PRE_TOKENIZERS, type Json } from './pre-tokenizers.ts';

/** ggml's kinds of tokens. */
export const TOKEN_KINDS = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 } as const;
const ADDED: ReadonlySet<number> = new Set([
  TOKEN_KINDS.unknown,
  TOKEN_KINDS.control,
  TOKEN_KINDS.userDefined,
]);

/**
 * The files of a tokenizer, by name, made of a file's metadata: byte-level BPE ("gpt2") or SentencePiece's BPE ("llama").
 * @throws EsparseError 'unsupported' for another kind of tokenizer
 */
export function ggufTokenizer(header: GgufHeader, where: string): ReadonlyMap<string, Json> {
  const metadata = new Metadata(header, where);
  const model = metadata.optionalText('tokenizer.ggml.model');
  if (model === undefined) return new Map();
  const make = MODELS.get(model);
  if (make === undefined) {
    throw new EsparseError('unsupported', `${where}: the tokenizer '${model}' of GGUF is not known`, {
      hint: `known are ${[...MODELS.keys()].join(', ')}`,
    });
  }
  const tokens = metadata.texts('tokenizer.ggml.tokens');
  const id = (name: string) => metadata.optionalNumber(`tokenizer.ggml.${name}_token_id`);
  const named = Object.fromEntries(
    (['bos', 'eos', 'unknown', 'padding'] as const).flatMap((name) => {
      const found = id(name);
      const content = found === undefined ? undefined : tokens[found];
      return content === undefined ? [] : [[`${SHORT[name]}_token`, content]];
    }),
  );
  const template = metadata.optionalText('tokenizer.chat_template');
  const addsBos = metadata.optionalFlag('tokenizer.ggml.add_bos_token') ?? model === 'llama';
  const files = new Map<string, Json>([
    ['tokenizer.json', documentOf(make(metadata, where), { metadata, tokens, addsBos })],
    [
      'tokenizer_config.json',
      {
        ...named,
        add_bos_token: addsBos,
        ...(template !== undefined && { chat_template: template }),
      },
    ],
  ]);
  const [bos, eos] = [id('bos'), id('eos')];
  files.set('generation_config.json', {
    ...(bos !== undefined && { bos_token_id: bos }),
    ...(eos !== undefined && { eos_token_id: eos }),
  });
  return files;
}

const SHORT = { bos: 'bos', eos: 'eos', unknown: 'unk', padding: 'pad' } as const;

/** What of a tokenizer.json depends on the kind of tokenizer. */
type Parts = Readonly<Record<'normalizer' | 'pre_tokenizer' | 'decoder' | 'model', Json | null>>;

const MODELS: ReadonlyMap<string, (metadata: Metadata, where: string) => Parts> = new Map([
  ['gpt2', byteLevelParts],
  ['llama', sentencePieceParts],
]);

function documentOf(
  parts: Parts,
  { metadata, tokens, addsBos }: { metadata: Metadata; tokens: readonly string[]; addsBos: boolean },
): Json {
  const types = metadata.optionalNumbers('tokenizer.ggml.token_type') ?? [];
  const added = [...tokens.entries()].flatMap(([id, content]) => {
    const type = types[id];
    if (type === undefined || !ADDED.has(type)) return [];
    const special = type !== TOKEN_KINDS.userDefined;
    return [{ id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special }];
  });
  const bosId = metadata.optionalNumber('tokenizer.ggml.bos_token_id');
  const bos = bosId === undefined ? undefined : tokens[bosId];
  const begins = addsBos && bos !== undefined;
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: added,
    ...parts,
    post_processor: begins
      ? {
          type: 'TemplateProcessing',
          single: [{ SpecialToken: { id: bos, type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }],
          pair: [{ Sequence: { id: 'A', type_id: 0 } }, { Sequence: { id: 'B', type_id: 1 } }],
          special_tokens: { [bos]: { id: bos, ids: [bosId], tokens: [bos] } },
        }
      : null,
  };
}

function byteLevelParts(metadata: Metadata, where: string): Parts {
  const pre = metadata.optionalText('tokenizer.ggml.pre') ?? 'default';
  const known = PRE_TOKENIZERS.get(pre);
  if (known === undefined) {
    throw new EsparseError(
      'unsupported',
      `${where}: its tokenizer cuts texts as '${pre}' does, which is not known`,
      {
        hint: `known are ${[...PRE_TOKENIZERS.keys()].join(', ')}; read the model from its safetensors checkpoint`,
      },
    );
  }
  return {
    normalizer: known.normalizer,
    pre_tokenizer: known.pre_tokenizer,
    decoder: BYTE_LEVEL,
    model: bpe(metadata, {
      ignore_merges: known.ignoreMerges,
      // A space parts the two; it is in neither, since byte-level BPE writes it as another letter.
      merges: metadata.texts('tokenizer.ggml.merges').map((merge) => merge.split(' ')),
    }),
  };
}

/** The model of a tokenizer.json, with what is not the same for all of them. */
function bpe(metadata: Metadata, own: Json): Json {
  return {
    type: 'BPE',
    dropout: null,
    unk_token: null,
    continuing_subword_prefix: null,
    end_of_word_suffix: null,
    fuse_unk: false,
    byte_fallback: false,
    ignore_merges: false,
    vocab: Object.fromEntries(metadata.texts('tokenizer.ggml.tokens').map((token, id) => [token, id])),
    ...own,
  };
}

function sentencePieceParts(metadata: Metadata): Parts {
  const prefix = metadata.optionalFlag('tokenizer.ggml.add_space_prefix') ?? true;
  const unknown = metadata.optionalNumber('tokenizer.ggml.unknown_token_id');
  const tokens = metadata.texts('tokenizer.ggml.tokens');
  const spaces = { type: 'Replace', pattern: { String: ' ' }, content: '▁' };
  const decoders = [
    { type: 'Replace', pattern: { String: '▁' }, content: ' ' },
    { type: 'ByteFallback' },
    { type: 'Fuse' },
    ...(prefix ? [{ type: 'Strip', content: ' ', start: 1, stop: 0 }] : []),
  ];
  return {
    normalizer: prefix
      ? { type: 'Sequence', normalizers: [{ type: 'Prepend', prepend: '▁' }, spaces] }
      : spaces,
    pre_tokenizer: null,
    decoder: { type: 'Sequence', decoders },
    model: bpe(metadata, {
      unk_token: unknown === undefined ? null : (tokens[unknown] ?? null),
      fuse_unk: true,
      byte_fallback: true,
      merges: mergesByScore(tokens, metadata.numbers('tokenizer.ggml.scores')),
    }),
  };
}

/**
 * The merges of SentencePiece's BPE, which keeps none: every way to part a token into two, those of tokens with a higher
 * score first.
 */
export function mergesByScore(tokens: readonly string[], scores: readonly number[]): [string, string][] {
  const ids = new Map(tokens.map((token, id) => [token, id]));
  const merges = tokens.flatMap((token, id) => {
    const letters = Array.from(token);
    const ways: [string, string][] = [];
    for (let at = 1; at < letters.length; at++) {
      const way: [string, string] = [letters.slice(0, at).join(''), letters.slice(at).join('')];
      if (ids.has(way[0]) && ids.has(way[1])) ways.push(way);
    }
    ways.sort((a, b) => ids.get(a[0])! - ids.get(b[0])! || ids.get(a[1])! - ids.get(b[1])!);
    return ways.map((way) => ({ way, score: scores[id] ?? -Infinity }));
  });
  return merges.sort((a, b) => b.score - a.score).map(({ way }) => way);
}
