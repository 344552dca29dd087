import { EsparseError } from '@esparse/errors';
import { uniformInt } from 'pure-rand/distribution/uniformInt';
import { mersenne } from 'pure-rand/generator/mersenne';

/**
 * Names how `calibrationWindows` draws. It is part of a run's identity and changes with any change of what is drawn:
 * MT19937 as in pure-rand's `mersenne`, one `uniformInt` per window.
 */
export const CALIBRATION_ALGORITHM = 'uniform-offsets-mt19937-1';

/** Most tokens drawn in all: 1 GiB of ids, a thousand times what the paper uses. */
const MAX_TOKENS = 2 ** 28;

export interface CalibrationOptions {
  /** Windows to draw. */
  readonly samples: number;
  /** Tokens in each. */
  readonly seqlen: number;
  /** Whole number from 0 to 2^32 - 1. The same seed draws the same windows on any machine. */
  readonly seed: number;
}

/**
 * Draws `samples` windows of `seqlen` tokens at offsets that are uniform over all possible ones, with replacement
 * (windows may overlap). Returns (samples, seqlen), in the order drawn, so a smaller `samples` is a prefix.
 *
 * Throws `text` where there are fewer tokens than one window, `usage` for options out of range.
 */
export function calibrationWindows(
  tokens: Uint32Array,
  { samples, seqlen, seed }: CalibrationOptions,
): Uint32Array {
  checkOptions(tokens, { samples, seqlen, seed });
  const random = mersenne(seed);
  const windows = new Uint32Array(samples * seqlen);
  for (let sample = 0; sample < samples; sample++) {
    const offset = uniformInt(random, 0, tokens.length - seqlen);
    windows.set(tokens.subarray(offset, offset + seqlen), sample * seqlen);
  }
  return windows;
}

/**
 * Cuts tokens into consecutive windows of `seqlen` and drops the tail: (floor(tokens / seqlen), seqlen), or the first of
 * them. Throws `text` where there are fewer tokens than one window.
 *
 * @param most windows at most. @default all
 */
export function evaluationWindows(tokens: Uint32Array, seqlen: number, most = Infinity): Uint32Array {
  checkSize('seqlen', seqlen, MAX_TOKENS);
  checkLength(tokens, seqlen);
  return tokens.slice(0, seqlen * Math.min(most, Math.floor(tokens.length / seqlen)));
}

/**
 * Windows of `seqlen` tokens that do not overlap, `samples` of those that the text is cut into, or all where it has fewer, in an order that
 * the seed decides. Returns (windows, seqlen). Whatever is held out of them is in no other.
 *
 * Throws as `calibrationWindows`.
 */
export function separateWindows(
  tokens: Uint32Array,
  { samples, seqlen, seed }: CalibrationOptions,
): Uint32Array {
  checkOptions(tokens, { samples, seqlen, seed });
  const random = mersenne(seed);
  const cut = Math.floor(tokens.length / seqlen);
  const order = Uint32Array.from({ length: cut }, (_, window) => window);
  const windows = new Uint32Array(Math.min(samples, cut) * seqlen);
  for (let at = 0; at * seqlen < windows.length; at++) {
    const from = uniformInt(random, at, cut - 1);
    const window = order[from]!;
    order[from] = order[at]!;
    windows.set(tokens.subarray(window * seqlen, (window + 1) * seqlen), at * seqlen);
  }
  return windows;
}

function checkOptions(tokens: Uint32Array, { samples, seqlen, seed }: CalibrationOptions): void {
  checkSize('samples', samples, MAX_TOKENS);
  checkSize('seqlen', seqlen, MAX_TOKENS);
  checkProduct(samples, seqlen);
  if (!Number.isInteger(seed) || seed < 0 || seed >= 2 ** 32) {
    throw new EsparseError('usage', `seed is ${seed}; it must be a whole number from 0 to 4294967295`);
  }
  checkLength(tokens, seqlen);
}

function checkSize(option: string, value: number, limit: number): void {
  if (Number.isInteger(value) && value >= 1 && value <= limit) return;
  throw new EsparseError('usage', `${option} is ${value}; it must be a whole number from 1 to ${limit}`);
}

function checkProduct(samples: number, seqlen: number): void {
  if (samples * seqlen <= MAX_TOKENS) return;
  const most = Math.floor(MAX_TOKENS / seqlen);
  throw new EsparseError(
    'usage',
    `${samples} samples of ${seqlen} tokens are ${samples * seqlen} tokens; at most ${MAX_TOKENS} are drawn`,
    { hint: `give at most ${most} samples of ${seqlen} tokens: some hundred are enough to calibrate` },
  );
}

function checkLength(tokens: Uint32Array, seqlen: number): void {
  if (tokens.length >= seqlen) return;
  throw new EsparseError('text', `the text has ${tokens.length} tokens; one window needs ${seqlen}`, {
    hint: 'give a longer text or a smaller seqlen',
    context: { found: tokens.length, needed: seqlen },
  });
}
