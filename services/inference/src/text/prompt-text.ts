import type { TokenText } from '@esparse/checkpoint';

/** A prompt as an answer repeats it. */
export interface PromptText {
  readonly text: string;
  /** Of each token: characters of the text before it. */
  readonly offsets: readonly number[];
}

/**
 * The text of a prompt, and where its tokens begin in it: as the client wrote it; of token ids what they are written as,
 * special tokens too.
 *
 * @param written the prompt, where it was given as text
 */
export function promptText(
  tokens: Uint32Array,
  written: string | undefined,
  { spelling }: TokenText,
): PromptText {
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  const offsets: number[] = [];
  let text = '';
  for (const token of tokens) {
    offsets.push(text.length);
    text += decoder.decode(spelling(token), { stream: true });
  }
  text += decoder.decode();
  if (written === undefined) return { text, offsets };
  // Tokenizers put a BOS token or a space before a text, and some change its characters.
  const before = text.endsWith(written) ? text.length - written.length : 0;
  return {
    text: written,
    offsets: offsets.map((offset) => Math.min(written.length, Math.max(0, offset - before))),
  };
}
