import { EsparseError, messageOf } from '@esparse/errors';
import { Tokenizer } from 'tokenizers';
import { forEachBounded, openFolder, throwIfCancelled } from '@esparse/storage';
import { readWhole } from './checkpoint-file.ts';
import { MAX_CONFIG_BYTES } from './checkpoint.ts';
import { isObject, parseJsonObject } from './json.ts';
import { cutterFor } from './text-pieces.ts';
import { tokenizerFilesIn, type TokenizerFile } from './tokenizer-files.ts';

/**
 * Longest text, in UTF-16 units, that is tokenized in one go: some 3 GB of memory at the measured peak of 185 bytes a
 * unit. Only a tokenizer that cannot be fed in pieces meets it, or a text without a place to cut.
 */
export const MAX_UNCUT_CHARACTERS = 16 * 1024 * 1024;

/** Pieces tokenized at once: the threads that Node has for such work by default. */
const PIECES_AT_ONCE = 4;

/** Text to token ids and back. */
export interface TextTokenizer {
  /** The id that `bos: true` puts first, where the checkpoint names one. */
  readonly bosId?: number;
  /** Whether the checkpoint begins every text with the BOS token, and so a prompt should. */
  readonly addsBos: boolean;
  /**
   * The token ids of a text: exactly those of the whole text tokenized at once, with no special tokens added but the
   * optional BOS. (Special tokens that are spelled out in the text are recognised.) Runs on other threads, long texts
   * in pieces where that is exact, see `cutterFor`; a text of more than 16 Mi characters that cannot be cut is a
   * `text` error, a BOS asked for where none is known a `checkpoint` error.
   */
  encode(text: string, options: EncodeOptions): Promise<Uint32Array>;
  /** The text of token ids, special tokens included unless the options say otherwise. */
  decode(ids: Iterable<number>, options?: DecodeOptions): Promise<string>;
}

export interface EncodeOptions {
  /** Whether the BOS token is put before the first. */
  readonly bos: boolean;
  readonly signal?: AbortSignal | undefined;
}

export interface DecodeOptions {
  /** Leaves out special tokens, for text that is shown to people. @default false */
  readonly skipSpecialTokens?: boolean;
}

/**
 * Opens the tokenizer in a checkpoint's folder. `tokenizer.json` is required; `tokenizer_config.json` and
 * `config.json` are asked for the BOS token.
 */
export async function openTokenizer(location: string): Promise<TextTokenizer> {
  const folder = await openFolder(location);
  const config = await readWhole(folder, 'config.json', MAX_CONFIG_BYTES);
  return makeTokenizer(
    await tokenizerFilesIn(folder),
    folder.location,
    config && parseJsonObject(config, `${folder.location}/config.json`),
  );
}

/**
 * A tokenizer from its files, wherever they came from (see `tokenizerFiles`).
 *
 * @param where how messages name the place
 * @param config the model's config.json, where known: its `bos_token_id` counts if tokenizer_config.json names no token
 */
export function makeTokenizer(
  files: readonly TokenizerFile[],
  where: string,
  config?: Readonly<Record<string, unknown>>,
): TextTokenizer {
  const bytes = files.find(({ name }) => name === 'tokenizer.json')?.bytes;
  if (bytes === undefined) {
    throw new EsparseError('checkpoint', `${where} has no tokenizer.json`, {
      hint: 'save the fast tokenizer beside the model: AutoTokenizer.from_pretrained(…).save_pretrained(…)',
    });
  }
  const json = parseJsonObject(bytes, `${where}/tokenizer.json`);
  const tokenizer = loadTokenizer(bytes, where);
  const settings = files.find(({ name }) => name === 'tokenizer_config.json')?.bytes;
  const parsed = settings && parseJsonObject(settings, `${where}/tokenizer_config.json`);
  const bosId = findBos(tokenizer, parsed?.bos_token, config?.bos_token_id);
  const cut = cutterFor(json) ?? ((text: string) => [text]);
  return {
    ...(bosId !== undefined && { bosId }),
    addsBos: bosId !== undefined && beginsWith(json.post_processor, bosId, parsed?.add_bos_token),
    async encode(text, { bos, signal }) {
      if (bos && bosId === undefined) {
        throw new EsparseError('checkpoint', `${where} names no BOS token, and one was asked for`, {
          hint: 'tokenize without BOS, or set bos_token in tokenizer_config.json',
        });
      }
      // Slices of a string share its memory, so to have all of them is cheap.
      const pieces = [...cut(text)];
      const parts = new Array<Uint32Array>(pieces.length);
      await forEachBounded(pieces.length, PIECES_AT_ONCE, async (i) => {
        throwIfCancelled(signal, 'tokenizing');
        parts[i] = await encodePiece(tokenizer, pieces[i]!);
      });
      if (bos) parts.unshift(Uint32Array.of(bosId!));
      return concatenate(parts);
    },
    decode: async (ids, options) => tokenizer.decode([...ids], options?.skipSpecialTokens ?? false),
  };
}

function loadTokenizer(bytes: Uint8Array, where: string): Tokenizer {
  try {
    const tokenizer = Tokenizer.fromString(new TextDecoder().decode(bytes));
    // Files saved after training carry these; a text must neither lose its end nor gain one.
    tokenizer.disableTruncation();
    tokenizer.disablePadding();
    return tokenizer;
  } catch (error) {
    throw new EsparseError('checkpoint', `${where}/tokenizer.json cannot be used: ${messageOf(error)}`, {
      hint: 'it is damaged, or made by a later version of the tokenizers library',
      cause: error,
    });
  }
}

async function encodePiece(tokenizer: Tokenizer, text: string): Promise<Uint32Array> {
  if (text.length > MAX_UNCUT_CHARACTERS) {
    throw new EsparseError(
      'text',
      `a text of ${text.length} characters cannot be tokenized: at most ${MAX_UNCUT_CHARACTERS} fit into memory, ` +
        'and this tokenizer and text cannot be cut without changing tokens',
      { hint: 'use a shorter text' },
    );
  }
  return Uint32Array.from((await tokenizer.encode(text, null, { addSpecialTokens: false })).getIds());
}

function concatenate(parts: readonly Uint32Array[]): Uint32Array {
  const all = new Uint32Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** `add_bos_token` of tokenizer_config.json; where it says nothing, whether the post-processor puts that token first. */
function beginsWith(processor: unknown, bosId: number, configured: unknown): boolean {
  if (typeof configured === 'boolean') return configured;
  if (!isObject(processor)) return false;
  if (processor.type === 'Sequence' && Array.isArray(processor.processors)) {
    return processor.processors.some((inner) => beginsWith(inner, bosId, configured));
  }
  const [first] = Array.isArray(processor.single) ? (processor.single as unknown[]) : [];
  const name = isObject(first) && isObject(first.SpecialToken) ? first.SpecialToken.id : undefined;
  const tokens = isObject(processor.special_tokens) ? processor.special_tokens : {};
  const token = typeof name === 'string' ? tokens[name] : undefined;
  return isObject(token) && Array.isArray(token.ids) && token.ids[0] === bosId;
}

/** `bos_token` of tokenizer_config.json, text or `{content}`; else `bos_token_id` of config.json if it is a token. */
function findBos(tokenizer: Tokenizer, token: unknown, id: unknown): number | undefined {
  const content = isObject(token) ? token.content : token;
  const named = typeof content === 'string' ? tokenizer.tokenToId(content) : null;
  if (named !== null) return named;
  const isId = typeof id === 'number' && Number.isInteger(id) && id >= 0 && id < 2 ** 32;
  return isId && tokenizer.idToToken(id) !== null ? id : undefined;
}
