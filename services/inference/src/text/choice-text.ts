import type { TextStream, TokenText } from '@esparse/checkpoint';
import type { TopLogprobs } from '@esparse/engine';
import { createStopText, type StopText } from './stop-text.ts';

/** A token of a text with its log-probability, and those of the most likely tokens in its place. */
export interface TextToken {
  readonly token: number;
  /** Characters of the text before it. */
  readonly offset: number;
  /** Undefined of the first token of a prompt: nothing stands before it. */
  readonly logprob: TopLogprobs | undefined;
}

/** Some more of a text. */
export interface TextPiece {
  readonly text: string;
  /** The tokens whose text begins in what has been given out; empty where no log-probabilities are reported. */
  readonly tokens: readonly TextToken[];
}

/** Makes text of one choice's tokens, up to a stop string. */
export class ChoiceText {
  readonly #stream: TextStream;
  readonly #stop: StopText;
  /** Tokens whose text is held back. */
  #waiting: TextToken[] = [];
  #made: number;
  #given: number;

  /** @param offset characters that stand before the text, where its prompt is echoed */
  constructor(tokens: TokenText, stops: readonly string[], offset = 0) {
    this.#stream = tokens.stream();
    this.#stop = createStopText(stops);
    this.#made = offset;
    this.#given = offset;
  }

  push(token: number, logprob: TopLogprobs | undefined): TextPiece & { readonly stopped: boolean } {
    if (logprob !== undefined) this.#waiting.push({ token, offset: this.#made, logprob });
    const made = this.#stream.push(token);
    this.#made += made.length;
    const { text, stopped } = this.#stop.push(made);
    return { ...this.#give(text), stopped };
  }

  /** What was held back, when the text ends by itself. */
  end(): TextPiece {
    const rest = this.#stream.end();
    const { text, stopped } = this.#stop.push(rest);
    const piece = this.#give(stopped ? text : text + this.#stop.end());
    return stopped ? piece : { text: piece.text, tokens: [...piece.tokens, ...this.#waiting.splice(0)] };
  }

  #give(text: string): TextPiece {
    this.#given += text.length;
    const known = this.#waiting.findIndex(({ offset }) => offset >= this.#given);
    const tokens = known < 0 ? this.#waiting : this.#waiting.slice(0, known);
    this.#waiting = known < 0 ? [] : this.#waiting.slice(known);
    return { text, tokens };
  }
}
