import { EsparseError } from '@esparse/errors';
import { chatTemplateSource } from '../chat-template.ts';
import { isObject, parseJsonObject } from '../json.ts';
import { beginsWith } from '../tokenizer.ts';
import type { TokenizerFile } from '../tokenizer-files.ts';
import { PRE_TOKENIZERS, preTokenizerNamed, type Json } from './pre-tokenizers.ts';
import { mergesByScore, TOKEN_KINDS } from './tokenizer.ts';
import type { GgufEntry } from './write-header.ts';

/** A byte that is a token, in SentencePiece's vocabularies. */
const BYTE_TOKEN = /^<0x[0-9A-F]{2}>$/;
const SPACE = '▁';

/** What the metadata's tokenizer is made of. */
export interface TokenizerSource {
  /** See `tokenizerFiles`. */
  readonly files: readonly TokenizerFile[];
  readonly config: Json;
  /** Rows of the embedding: so many tokens are listed, those that no text has among them. */
  readonly vocab: number;
}

/**
 * A tokenizer as metadata of a GGUF file: byte-level BPE with its merges and llama.cpp's name of how it cuts texts, or BPE
 * over SentencePiece's pieces with a score for each; special tokens, and the template of chats. Empty where a model has
 * no tokenizer.
 *
 * @throws EsparseError 'unsupported' for a tokenizer that llama.cpp has no name for, 'checkpoint' for a damaged one
 */
export function tokenizerMetadata({ files, config, vocab }: TokenizerSource): Map<string, GgufEntry> {
  const document = jsonOf(files, 'tokenizer.json');
  if (document === undefined) return new Map();
  const model = isObject(document.model) ? document.model : {};
  if (model.type !== 'BPE') {
    throw unsupported(
      `its model is ${JSON.stringify(model.type)}`,
      'GGUF files are written of BPE tokenizers',
    );
  }
  const ids = tokenIds(document, model, vocab);
  const tokens = Array.from({ length: vocab }, (_, id) => `[PAD${id}]`);
  for (const [token, id] of ids) tokens[id] = token;
  const settings = jsonOf(files, 'tokenizer_config.json') ?? {};
  const special = specialTokens(settings, model, config, ids);
  const bos = special.get('bos');
  const begins = bos !== undefined && beginsWith(document.post_processor, bos, settings.add_bos_token);
  const template = chatTemplateSource(files);
  const pieces = isSentencePiece(document, model);
  return new Map<string, GgufEntry>([
    ...(pieces ? sentencePiece(document, model, tokens) : byteLevel(document, model)),
    ['tokenizer.ggml.tokens', { type: 'list', of: 'text', value: tokens }],
    [
      'tokenizer.ggml.token_type',
      { type: 'list', of: 'i32', value: kinds(document, ids, tokens, special, pieces) },
    ],
    ...[...special].map(([name, value]): [string, GgufEntry] => [
      `tokenizer.ggml.${name}_token_id`,
      { type: 'u32', value },
    ]),
    ['tokenizer.ggml.add_bos_token', { type: 'flag', value: begins }],
    ...(template === undefined
      ? []
      : ([['tokenizer.chat_template', { type: 'text', value: template }]] as const)),
  ]);
}

/** The ids of all tokens, by their texts. */
function tokenIds(document: Json, model: Json, vocab: number): Map<string, number> {
  const ids = new Map(Object.entries(isObject(model.vocab) ? model.vocab : {}) as [string, number][]);
  for (const { content, id } of addedTokens(document)) ids.set(content, id);
  for (const [token, id] of ids) {
    if (Number.isInteger(id) && id >= 0 && id < vocab) continue;
    throw new EsparseError(
      'checkpoint',
      `tokenizer.json: token ${JSON.stringify(token)} has the id ${id}, and the model ${vocab} tokens`,
      { hint: 'tokenizer and model must be of the same checkpoint' },
    );
  }
  return ids;
}

interface AddedToken {
  readonly content: string;
  readonly id: number;
  readonly special: boolean;
}

function addedTokens(document: Json): AddedToken[] {
  const added: unknown[] = Array.isArray(document.added_tokens) ? document.added_tokens : [];
  return added.flatMap((token) =>
    isObject(token) && typeof token.content === 'string' && typeof token.id === 'number'
      ? [{ content: token.content, id: token.id, special: token.special === true }]
      : [],
  );
}

function kinds(
  document: Json,
  ids: ReadonlyMap<string, number>,
  tokens: readonly string[],
  special: ReadonlyMap<string, number>,
  pieces: boolean,
): number[] {
  const found = tokens.map((token, id) => {
    if (ids.get(token) !== id) return TOKEN_KINDS.unused;
    return pieces && BYTE_TOKEN.test(token) ? TOKEN_KINDS.byte : TOKEN_KINDS.normal;
  }) as number[];
  for (const { id, special } of addedTokens(document)) {
    found[id] = special ? TOKEN_KINDS.control : TOKEN_KINDS.userDefined;
  }
  const unknown = special.get('unknown');
  if (pieces && unknown !== undefined) found[unknown] = TOKEN_KINDS.unknown;
  return found;
}

/** Metadata's names of special tokens, and those of tokenizer_config.json. */
const SPECIAL = { bos: 'bos_token', eos: 'eos_token', unknown: 'unk_token', padding: 'pad_token' } as const;

/** The special tokens by metadata's names: those that tokenizer_config.json names, else the ids of config.json. */
function specialTokens(
  settings: Json,
  model: Json,
  config: Json,
  ids: ReadonlyMap<string, number>,
): Map<string, number> {
  const known = new Set(ids.values());
  return new Map(
    Object.entries(SPECIAL).flatMap(([name, setting]) => {
      const named = settings[setting] ?? (name === 'unknown' ? model.unk_token : undefined);
      const content = isObject(named) ? named.content : named;
      const listed: unknown = config[`${setting}_id`];
      const [id] = [
        typeof content === 'string' ? ids.get(content) : undefined,
        Array.isArray(listed) ? (listed as unknown[])[0] : listed,
      ].filter((candidate): candidate is number => typeof candidate === 'number' && known.has(candidate));
      return id === undefined ? [] : [[name, id] as const];
    }),
  );
}

function byteLevel(document: Json, model: Json): [string, GgufEntry][] {
  const pre = preTokenizerNamed({
    normalizer: document.normalizer,
    pre_tokenizer: document.pre_tokenizer,
    ignoreMerges: model.ignore_merges === true,
  });
  if (pre === undefined) {
    throw unsupported(
      'it cuts texts in a way that is not known here by its name in llama.cpp',
      `known are ${[...PRE_TOKENIZERS.keys()].join(', ')}`,
    );
  }
  const merges = mergesOf(model).map((merge) => merge.join(' '));
  return [
    ['tokenizer.ggml.model', { type: 'text', value: 'gpt2' }],
    ['tokenizer.ggml.pre', { type: 'text', value: pre }],
    ['tokenizer.ggml.merges', { type: 'list', of: 'text', value: merges }],
  ];
}

/** Whether a BPE tokenizer is one of SentencePiece's: its pieces have ▁ for a space, and bytes where there is no piece. */
function isSentencePiece(document: Json, model: Json): boolean {
  return (
    model.byte_fallback === true &&
    JSON.stringify(document.normalizer ?? document.pre_tokenizer).includes(SPACE)
  );
}

/**
 * SentencePiece keeps a score of each piece instead of merges: pieces that a merge makes earlier have a higher one. Those
 * that no merge makes have the lowest, since any two neighbours that make a piece are joined.
 */
function sentencePiece(document: Json, model: Json, tokens: readonly string[]): [string, GgufEntry][] {
  const ranks = new Map<string, number>();
  const merges = mergesOf(model);
  for (const [rank, pair] of merges.entries()) {
    const piece = pair.join('');
    if (!ranks.has(piece)) ranks.set(piece, rank);
  }
  const scores = tokens.map((token) => -(ranks.get(token) ?? merges.length));
  requireSameMerges(merges, mergesByScore(tokens, scores), ranks);
  return [
    ['tokenizer.ggml.model', { type: 'text', value: 'llama' }],
    ['tokenizer.ggml.pre', { type: 'text', value: 'default' }],
    ['tokenizer.ggml.scores', { type: 'list', of: 'f32', value: scores }],
    ['tokenizer.ggml.add_space_prefix', { type: 'flag', value: addsSpace(document) }],
  ];
}

/**
 * @param scored the merges that follow from the scores
 * @param ranks of each piece that a merge makes, the first of its merges
 * @throws EsparseError 'unsupported' where they are others than the tokenizer's: texts would have other tokens
 */
function requireSameMerges(
  merges: readonly Merge[],
  scored: readonly Merge[],
  ranks: ReadonlyMap<string, number>,
): void {
  const known = new Set(merges.map((pair) => pair.join(' ')));
  const more = scored.find((pair) => ranks.has(pair.join('')) && !known.has(pair.join(' ')));
  let last = 0;
  const late = merges.find((pair) => {
    const before = last;
    last = ranks.get(pair.join(''))!;
    return last < before;
  });
  const differing = more ?? late;
  if (differing === undefined) return;
  throw unsupported(
    `its merges do not follow from scores of its pieces, as SentencePiece's do (${JSON.stringify(differing)})`,
    'export the model as safetensors',
  );
}

/** Whether a text gets a space before its first word. */
function addsSpace({ normalizer, pre_tokenizer: cut }: Json): boolean {
  if (isObject(cut) && cut.type === 'Metaspace') return cut.prepend_scheme !== 'never';
  return JSON.stringify(normalizer ?? null).includes('"Prepend"');
}

type Merge = readonly [string, string];

/** Pairs of tokens, in the order of their merging; older files write a pair as one text with a space in it. */
function mergesOf(model: Json): Merge[] {
  const merges: unknown[] = Array.isArray(model.merges) ? model.merges : [];
  return merges.map((merge) => {
    const pair: unknown = typeof merge === 'string' ? merge.split(' ') : merge;
    if (Array.isArray(pair) && pair.length === 2) return pair as unknown as Merge;
    throw new EsparseError(
      'checkpoint',
      `tokenizer.json has a merge ${JSON.stringify(merge)}, which is no pair`,
    );
  });
}

function jsonOf(files: readonly TokenizerFile[], name: string): Json | undefined {
  const file = files.find((candidate) => candidate.name === name);
  return file && parseJsonObject(file.bytes, name);
}

function unsupported(what: string, hint: string): EsparseError {
  return new EsparseError('unsupported', `the tokenizer cannot be written to a GGUF file: ${what}`, { hint });
}
