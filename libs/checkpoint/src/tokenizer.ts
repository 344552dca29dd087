import { EsparseError } from '@esparse/errors';
import { builtScript, isolateCalls, type CallOptions, type IsolatedCalls } from '@esparse/isolation';
import { forEachBounded, throwIfCancelled } from '@esparse/storage';
import { readWhole } from './checkpoint-file.ts';
import { MAX_CONFIG_BYTES } from './checkpoint.ts';
import { openModelFolder } from './model-folder.ts';
import { isObject, parseJsonObject } from './json.ts';
import { cutterFor } from './text-pieces.ts';
import { checkTokenizerDocument } from './tokenizer-document.ts';
import { tokenizerFilesIn, type TokenizerFile } from './tokenizer-files.ts';
import type { TokenizerCall } from './tokenizer-process.ts';

/**
 * Longest text, in UTF-16 units, that is tokenized in one go: some 3 GB of memory at the measured peak of 185 bytes a
 * unit. Only a tokenizer that cannot be fed in pieces meets it, or a text without a place to cut.
 */
export const MAX_UNCUT_CHARACTERS = 16 * 1024 * 1024;

/** Pieces tokenized at once: the threads that Node has for such work by default. */
const PIECES_AT_ONCE = 4;

const SCRIPT = builtScript(import.meta.url, 'tokenizer-process');

/** Memory of the process; a tokenizer takes 15 times the size of its document, measured, and twice while it is read. */
const PROCESS_BYTES = 1024 * 1024 * 1024;
const BYTES_PER_DOCUMENT_BYTE = 40;
/** What a text may take beyond that: nearly three times what is measured at the peak. */
const BYTES_PER_CHARACTER = 512;
/** Of texts that wait in the process: some hundred prompts of a few sentences, which take it milliseconds. */
const SMALL_BYTES = 32 * 1024 * 1024;

/** Time to open a tokenizer: a document of 15 MB took 4.6 s on a busy machine. */
const OPEN_MS = 20_000;
const OPEN_MS_PER_BYTE = 0.001;
/** Time of a text: on a busy machine, and beside three others, 0.02 ms a character were measured. */
const TEXT_MS = 15_000;
const TEXT_MS_PER_CHARACTER = 0.08;

/** Text to token ids, in a process of its own. */
export interface TextTokenizer {
  /** The id that `bos: true` puts first, where the checkpoint names one. */
  readonly bosId?: number;
  /** Whether the checkpoint begins every text with the BOS token, and so a prompt should. */
  readonly addsBos: boolean;
  /**
   * The token ids of a text: exactly those of the whole text tokenized at once, with no special tokens added but the
   * optional BOS. (Special tokens that are spelled out in the text are recognised.) Long texts go in pieces where that
   * is exact, see `cutterFor`. Texts that are tokenized at the same time do not disturb each other, whatever one of them
   * does to the process.
   *
   * @throws EsparseError 'text' for one that has no tokens in this tokenizer, crashes it, takes too long or too much
   *   memory, or of which more than 16 Mi characters cannot be cut; 'checkpoint' for a BOS where none is known
   */
  encode(text: string, options: EncodeOptions): Promise<Uint32Array>;
  /** Ends its process. */
  close(): void;
}

export interface EncodeOptions {
  /** Whether the BOS token is put before the first. */
  readonly bos: boolean;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Opens the tokenizer in a checkpoint's folder. `tokenizer.json` is required; `tokenizer_config.json` and
 * `config.json` are asked for the BOS token.
 */
export async function openTokenizer(location: string, signal?: AbortSignal): Promise<TextTokenizer> {
  const folder = await openModelFolder(location);
  const config = await readWhole(folder, 'config.json', MAX_CONFIG_BYTES, signal);
  return makeTokenizer(await tokenizerFilesIn(folder, signal), folder.location, {
    config: config && parseJsonObject(config, `${folder.location}/config.json`),
    signal,
  });
}

export interface TokenizerOptions {
  /** The model's config.json: its `bos_token_id` counts if tokenizer_config.json names no token. @default not known */
  readonly config?: Readonly<Record<string, unknown>> | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * A tokenizer from its files, wherever they came from (see `tokenizerFiles`). It is tried on texts on which bad ones
 * fail. Close it in the end.
 *
 * @param where how messages name the place
 * @throws EsparseError 'checkpoint' for a tokenizer that cannot be used
 */
export async function makeTokenizer(
  files: readonly TokenizerFile[],
  where: string,
  { config, signal }: TokenizerOptions = {},
): Promise<TextTokenizer> {
  const document = files.find(({ name }) => name === 'tokenizer.json')?.bytes;
  if (document === undefined) {
    throw new EsparseError('checkpoint', `${where} has no tokenizer.json`, {
      hint: 'save the fast tokenizer beside the model: AutoTokenizer.from_pretrained(…).save_pretrained(…)',
    });
  }
  const json = parseJsonObject(document, `${where}/tokenizer.json`);
  checkTokenizerDocument(json, where);
  const settings = files.find(({ name }) => name === 'tokenizer_config.json')?.bytes;
  const parsed = settings && parseJsonObject(settings, `${where}/tokenizer_config.json`);
  const tokenize = isolateCalls<TokenizerCall, Uint32Array>({
    script: SCRIPT,
    setup: document,
    atOnce: PIECES_AT_ONCE,
    smallBytes: SMALL_BYTES,
    memoryBytes: PROCESS_BYTES + BYTES_PER_DOCUMENT_BYTE * document.length,
  });
  try {
    const find = namesOfBos(parsed?.bos_token, config?.bos_token_id);
    const timeMs = OPEN_MS + OPEN_MS_PER_BYTE * document.length;
    const outcome = await tokenize.call({ find }, { timeMs, signal });
    if ('refusal' in outcome) throw unusable(where, outcome.refusal);
    const [bosId] = outcome.answer;
    const cut = cutterFor(json) ?? ((text: string) => [text]);
    return {
      ...(bosId !== undefined && { bosId }),
      addsBos: bosId !== undefined && beginsWith(json.post_processor, bosId, parsed?.add_bos_token),
      async encode(text, { bos, signal }) {
        if (bos && bosId === undefined) throw noBos(where);
        // Slices of a string share its memory, so to have all of them is cheap.
        const pieces = [...cut(text)];
        const parts = new Array<Uint32Array>(pieces.length);
        await forEachBounded(pieces.length, PIECES_AT_ONCE, async (i) => {
          throwIfCancelled(signal, 'tokenizing');
          parts[i] = await encodePiece(tokenize, pieces[i]!, signal);
        });
        if (bos) parts.unshift(Uint32Array.of(bosId!));
        return concatenate(parts);
      },
      close: tokenize.close,
    };
  } catch (error) {
    tokenize.close();
    throw error;
  }
}

function unusable(where: string, why: string): EsparseError {
  return new EsparseError('checkpoint', `${where}/tokenizer.json cannot be used: ${why}`, {
    hint: 'it is damaged, or made for a later version of the tokenizers library',
  });
}

function noBos(where: string): EsparseError {
  return new EsparseError('checkpoint', `${where} names no BOS token, and one was asked for`, {
    hint: 'tokenize without BOS, or set bos_token in tokenizer_config.json',
  });
}

async function encodePiece(
  tokenize: IsolatedCalls<TokenizerCall, Uint32Array>,
  text: string,
  signal: AbortSignal | undefined,
): Promise<Uint32Array> {
  if (text.length > MAX_UNCUT_CHARACTERS) {
    throw new EsparseError(
      'text',
      `a text of ${text.length} characters cannot be tokenized: at most ${MAX_UNCUT_CHARACTERS} fit into memory, ` +
        'and this tokenizer and text cannot be cut without changing tokens',
      { hint: 'use a shorter text' },
    );
  }
  const options: CallOptions = {
    timeMs: TEXT_MS + TEXT_MS_PER_CHARACTER * text.length,
    extraBytes: BYTES_PER_CHARACTER * text.length,
    signal,
  };
  const outcome = await tokenize.call({ text }, options);
  if ('answer' in outcome) return outcome.answer;
  throw new EsparseError('text', `the tokenizer cannot take the text: ${outcome.refusal}`, {
    hint: 'look for characters that this tokenizer does not know, or for very long runs of one character',
  });
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
export function beginsWith(processor: unknown, bosId: number, configured: unknown): boolean {
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

/** `bos_token` of tokenizer_config.json, text or `{content}`; else `bos_token_id` of config.json, if it is a token. */
function namesOfBos(token: unknown, id: unknown): (string | number)[] {
  const content = isObject(token) ? token.content : token;
  const isId = typeof id === 'number' && Number.isInteger(id) && id >= 0 && id < 2 ** 32;
  return [...(typeof content === 'string' ? [content] : []), ...(isId ? [id] : [])];
}
