/**
 * The script of the process that tokenizes. Tokenizers come with checkpoints and texts from anybody, and there are pairs
 * of both on which the tokenizers library ends its process (an index out of bounds, a regular expression that gives
 * up), never ends, or takes all memory. See `tokenizer.ts`.
 */
import { Tokenizer } from 'tokenizers';
import { answerCalls } from '@esparse/isolation';

/** What is asked of the process. It answers with token ids. */
export type TokenizerCall =
  | { readonly text: string }
  /** Opens the tokenizer and tries it; the answer is the first of these that is a token of it, or nothing. */
  | { readonly find: readonly (string | number)[] };

/** Texts on which bad tokenizers fail: runs of one kind of character, alone and before another one. */
const PROBES = ['a', ' ', '1', '.', '\n', 'é', '\u0301', '世', 'a1', 'a '].flatMap((part) => {
  const run = part.repeat(60);
  return [run, `${run}!`, `${run}a`];
});

/** Tokens of a text at most: three each for the bytes of a character, and as much again for steps that add some. */
const tokensAllowed = (text: string) => 1000 + 8 * text.length;

let opened: Tokenizer | undefined;

answerCalls(async (call: TokenizerCall, document: Uint8Array): Promise<Uint32Array> => {
  opened ??= open(document);
  if ('text' in call) return encode(opened, call.text);
  for (const probe of PROBES) {
    // What is unknown to a tokenizer is no fault of it.
    await encode(opened, probe).catch(() => undefined);
  }
  return Uint32Array.from(firstToken(opened, call.find));
});

function open(document: Uint8Array): Tokenizer {
  const tokenizer = Tokenizer.fromString(new TextDecoder().decode(document));
  // Files saved after training carry these; a text must neither lose its end nor gain one.
  tokenizer.disableTruncation();
  tokenizer.disablePadding();
  return tokenizer;
}

async function encode(tokenizer: Tokenizer, text: string): Promise<Uint32Array> {
  const encoding = await tokenizer.encode(text, null, { addSpecialTokens: false });
  const most = tokensAllowed(text);
  if (encoding.getLength() > most) throw new Error(`makes more than ${most} tokens`);
  return Uint32Array.from(encoding.getIds());
}

function firstToken(tokenizer: Tokenizer, names: readonly (string | number)[]): number[] {
  for (const name of names) {
    if (typeof name === 'string') {
      const id = tokenizer.tokenToId(name);
      if (id !== null) return [id];
    } else if (tokenizer.idToToken(name) !== null) return [name];
  }
  return [];
}
