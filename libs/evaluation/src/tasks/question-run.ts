import { logSumExps, type Sequence } from '@esparse/engine';
import type { EncodedChoice } from './encode-questions.ts';

/** Tokens to append, and, where they are scored, the tokens that should follow each of them. */
interface Piece {
  /** Tokens of the sequence that stay before it. */
  readonly at: number;
  readonly tokens: Uint32Array;
  readonly followers: Uint32Array | undefined;
  readonly choice: number;
}

/** A question on its way through the engine: what its choices begin with is computed once. */
export class QuestionRun {
  /** Log-likelihoods of the choices so far, in nats. */
  readonly scores: number[];
  /** Of the longest choice: nothing comes after its last token. */
  readonly capacity: number;
  readonly #pieces: readonly Piece[];
  #piece = 0;
  /** Tokens of the current piece that were appended. */
  #done = 0;

  constructor(choices: readonly EncodedChoice[]) {
    this.scores = choices.map(() => 0);
    this.capacity = Math.max(...choices.map(({ tokens }) => tokens.length - 1));
    this.#pieces = piecesOf(choices);
  }

  get ended(): boolean {
    return this.#piece === this.#pieces.length;
  }

  /** What the next step appends: at most so many tokens, and so many of which logits are wanted. */
  next(sequence: Sequence, mostTokens: number, mostRows: number) {
    const { at, tokens, followers } = this.#pieces[this.#piece]!;
    if (this.#done === 0 && sequence.length > at) sequence.rewind(at);
    const most = followers === undefined ? mostTokens : Math.min(mostTokens, mostRows);
    return {
      tokens: tokens.subarray(this.#done, this.#done + most),
      want: followers === undefined ? ('nothing' as const) : ('allLogits' as const),
    };
  }

  /** Takes in the step: the logits (tokens x vocab) after its tokens, where they were wanted. */
  async take(count: number, logits: Float32Array | undefined): Promise<void> {
    const { tokens, followers, choice } = this.#pieces[this.#piece]!;
    if (followers !== undefined) {
      const vocab = logits!.length / count;
      const totals = await logSumExps(logits!, vocab);
      for (let i = 0; i < count; i++) {
        this.scores[choice]! += logits![i * vocab + followers[this.#done + i]!]! - totals[i]!;
      }
    }
    this.#done += count;
    if (this.#done < tokens.length) return;
    this.#piece++;
    this.#done = 0;
  }
}

/** What all choices begin with, then for each what it is given beyond that, and what is scored. */
function piecesOf(choices: readonly EncodedChoice[]): Piece[] {
  const shared = commonStart(choices);
  const pieces: Piece[] = [
    { at: 0, tokens: choices[0]!.tokens.subarray(0, shared), followers: undefined, choice: 0 },
  ];
  for (const [choice, { tokens, scoredFrom }] of choices.entries()) {
    const given = {
      at: shared,
      tokens: tokens.subarray(shared, scoredFrom - 1),
      followers: undefined,
      choice,
    };
    // The logits after the last token that is given are those of the first that is scored.
    const scored = {
      at: scoredFrom - 1,
      tokens: tokens.subarray(scoredFrom - 1, -1),
      followers: tokens.subarray(scoredFrom),
      choice,
    };
    pieces.push(given, scored);
  }
  return pieces.filter(({ tokens }) => tokens.length > 0);
}

/** Tokens with which all choices begin, and of which no logits are wanted. */
function commonStart(choices: readonly EncodedChoice[]): number {
  const [first, ...others] = choices;
  const most = Math.min(...choices.map(({ scoredFrom }) => scoredFrom - 1));
  let length = 0;
  while (length < most && others.every(({ tokens }) => tokens[length] === first!.tokens[length])) length++;
  return length;
}
