import { EsparseError } from '@esparse/errors';
import { isObject, parseJsonObject } from './json.ts';
import type { TokenizerFile } from './tokenizer-files.ts';

/** Token ids back to text one at a time, without waiting for another thread. */
export interface TokenText {
  /** What a token stands for inside a text, as UTF-8, perhaps cut inside a character; none for special tokens. */
  bytes(id: number): Uint8Array;
  /** The same, but a special token as it is written: how people are shown it. */
  spelling(id: number): Uint8Array;
  /** The text that comes after a prompt: no space is stripped from its beginning. */
  stream(): TextStream;
}

/** The text of tokens as they come: what is given out never changes with what follows. */
export interface TextStream {
  /** The characters that this token completes; a character cut between tokens is held back. */
  push(id: number): string;
  /** What is left of a character that nobody completed: U+FFFD. */
  end(): string;
}

/**
 * Builds the table of a tokenizer's tokens. Two kinds of decoder say token by token what it stands for: `ByteLevel`
 * (GPT-2, LLaMA 3, Qwen, OPT) and SentencePiece's, with ▁ for a space and `<0x0A>` for a byte (LLaMA 1 and 2).
 *
 * @param where how messages name the place
 * @throws EsparseError 'unsupported' for any other decoder
 */
export function makeTokenText(files: readonly TokenizerFile[], where: string): TokenText {
  const bytes = files.find(({ name }) => name === 'tokenizer.json')?.bytes;
  if (bytes === undefined) throw new EsparseError('checkpoint', `${where} has no tokenizer.json`);
  const json = parseJsonObject(bytes, `${where}/tokenizer.json`);
  const table = tableOf(json, textOfDecoder(json.decoder, where));
  const special = new Map(specialOf(json));
  return {
    bytes: table,
    spelling: (id) => special.get(id) ?? table(id),
    stream() {
      const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
      return {
        push: (id) => decoder.decode(table(id), { stream: true }),
        end: () => decoder.decode(),
      };
    },
  };
}

/** The bytes of a token as the vocabulary spells it. */
type Spelling = (token: string) => Uint8Array;

const utf8 = new TextEncoder();

function textOfDecoder(decoder: unknown, where: string): Spelling {
  const steps = stepsOf(decoder);
  const types = steps.map((step) => step.type);
  if (types.length === 1 && types[0] === 'ByteLevel') return byteLevel;
  if (types.length === 1 && types[0] === 'Metaspace') {
    return (token) => utf8.encode(token.replaceAll('▁', ' '));
  }
  const replacesOnly = steps.every(
    (step) => step.type !== 'Replace' || (isObject(step.pattern) && step.pattern.String === '▁'),
  );
  // Fuse joins, Strip takes the space off the beginning of a whole text.
  const known = types.every((type) => ['Replace', 'ByteFallback', 'Fuse', 'Strip'].includes(type as string));
  if (types.length > 0 && known && replacesOnly && types.includes('Replace')) {
    return types.includes('ByteFallback')
      ? sentencePiece
      : (token) => utf8.encode(token.replaceAll('▁', ' '));
  }
  throw new EsparseError(
    'unsupported',
    `${where}/tokenizer.json has a decoder (${types.map(String).join(', ') || 'none'}) that cannot be read token by token`,
    { hint: 'ByteLevel and SentencePiece decoders are known' },
  );
}

function stepsOf(decoder: unknown): Record<string, unknown>[] {
  if (!isObject(decoder)) return [];
  if (decoder.type !== 'Sequence') return [decoder];
  return Array.isArray(decoder.decoders) ? decoder.decoders.filter(isObject) : [];
}

function sentencePiece(token: string): Uint8Array {
  const byte = /^<0x([0-9A-Fa-f]{2})>$/.exec(token);
  return byte === null
    ? utf8.encode(token.replaceAll('▁', ' '))
    : Uint8Array.of(Number.parseInt(byte[1]!, 16));
}

/** GPT-2 spells a byte as a printable character: itself where it is one, else the next from U+0100 on. */
const BYTE_OF_CHARACTER = byteOfCharacter();

function byteOfCharacter(): Map<string, number> {
  const map = new Map<string, number>();
  let next = 0x100;
  for (let byte = 0; byte < 256; byte++) {
    const printable = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
    map.set(String.fromCharCode(printable ? byte : next++), byte);
  }
  return map;
}

function byteLevel(token: string): Uint8Array {
  const bytes = new Uint8Array(token.length);
  for (let i = 0; i < token.length; i++) {
    const byte = BYTE_OF_CHARACTER.get(token.charAt(i));
    if (byte === undefined) return utf8.encode(token); // not spelled so: a text of its own
    bytes[i] = byte;
  }
  return bytes;
}

/** Looks a token up by its id. All tokens lie in one piece of memory: a vocabulary has 256 thousand. */
function tableOf(json: Record<string, unknown>, spell: Spelling): (id: number) => Uint8Array {
  const tokens: Uint8Array[] = [];
  for (const [token, id] of vocabularyOf(json.model)) tokens[id] = spell(token);
  for (const { id, content, special } of addedOf(json.added_tokens)) {
    tokens[id] = special ? new Uint8Array(0) : utf8.encode(content);
  }
  const starts = new Uint32Array(tokens.length + 1);
  for (let id = 0; id < tokens.length; id++) starts[id + 1] = starts[id]! + (tokens[id]?.length ?? 0);
  const memory = new Uint8Array(starts[tokens.length]!);
  tokens.forEach((bytes, id) => {
    memory.set(bytes, starts[id]);
  });
  const none = new Uint8Array(0);
  return (id) => (id + 1 < starts.length ? memory.subarray(starts[id], starts[id + 1]) : none);
}

function* specialOf(json: Record<string, unknown>): Generator<[id: number, written: Uint8Array]> {
  for (const { id, content, special } of addedOf(json.added_tokens)) {
    if (special) yield [id, utf8.encode(content)];
  }
}

/** More ids than any vocabulary has: a table is as long as its largest id. */
const MAX_ID = 2 ** 22;

function isId(id: unknown): id is number {
  return typeof id === 'number' && Number.isInteger(id) && id >= 0 && id < MAX_ID;
}

/** Token and id; a Unigram model lists its tokens in the order of their ids. */
function* vocabularyOf(model: unknown): Generator<[token: string, id: number]> {
  const vocab = isObject(model) ? model.vocab : undefined;
  if (Array.isArray(vocab)) {
    for (const [id, entry] of (vocab as unknown[]).entries()) {
      if (Array.isArray(entry) && typeof entry[0] === 'string' && isId(id)) yield [entry[0], id];
    }
  } else if (isObject(vocab)) {
    for (const [token, id] of Object.entries(vocab)) if (isId(id)) yield [token, id];
  }
}

function* addedOf(added: unknown): Generator<{ id: number; content: string; special: boolean }> {
  for (const token of Array.isArray(added) ? added.filter(isObject) : []) {
    if (isId(token.id) && typeof token.content === 'string') {
      yield { id: token.id, content: token.content, special: token.special === true };
    }
  }
}
