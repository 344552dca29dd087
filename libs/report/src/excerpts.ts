import { makeTokenText, type TokenText } from '@esparse/checkpoint';
import { isEsparseError } from '@esparse/errors';
import { CALIBRATION_PATH, readTokenizerFiles } from '@esparse/model-store';
import type { Excerpt } from '@esparse/report-page';
import type { Run } from '@esparse/store';

/** Tokens before and after the one that an excerpt is about. */
const BEFORE = 14;
const AFTER = 8;

/** Excerpts of a page: of a small model all that its channels have, and a megabyte at most. */
const MAX_EXCERPTS = 12_000;

/** No excerpt. */
export const NONE = -1;

/** Numbers the tokens of the calibration that a page shows, each once. */
export class Excerpts {
  readonly #numbers = new Map<number, number>();

  /** The number of a token's excerpt; -1 for no token, and where the page has enough. */
  numberOf(token: number): number {
    if (token < 0) return NONE;
    const known = this.#numbers.get(token);
    if (known !== undefined) return known;
    if (this.#numbers.size === MAX_EXCERPTS) return NONE;
    this.#numbers.set(token, this.#numbers.size);
    return this.#numbers.size - 1;
  }

  /** The texts, by their numbers; none where a run does not have its calibration, or a tokenizer that says what tokens stand for. */
  async read(run: Run, signal: AbortSignal | undefined): Promise<Excerpt[] | undefined> {
    if (this.#numbers.size === 0) return undefined;
    const dense = await run.dense();
    const shape = dense.arrays.get(CALIBRATION_PATH)?.shape;
    if (shape?.length !== 2) return undefined;
    const { data } = await dense.readAs(CALIBRATION_PATH, 'int32', signal);
    let text: TokenText;
    try {
      text = makeTokenText(await readTokenizerFiles(run), 'the store');
    } catch (error) {
      if (isEsparseError(error) && error.kind === 'unsupported') return undefined;
      throw error;
    }
    return [...this.#numbers.keys()].map((token) => excerptOf(data, shape[1]!, token, text));
  }
}

/** A token with what stands around it in its sequence. */
function excerptOf(tokens: Int32Array, seqlen: number, token: number, text: TokenText): Excerpt {
  const begin = token - (token % seqlen);
  const words = (from: number, to: number) =>
    Buffer.concat(
      Array.from(tokens.subarray(Math.max(begin, from), Math.min(begin + seqlen, to)), (id) =>
        text.spelling(id),
      ),
    ).toString('utf8');
  return [words(token - BEFORE, token), words(token, token + 1), words(token + 1, token + 1 + AFTER)];
}
