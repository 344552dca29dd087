import { evaluationWindows, type WeightSource } from '@esparse/checkpoint';
import { EsparseError } from '@esparse/errors';
import type { ModelDescription } from '@esparse/model';
import { standardError } from './estimate.ts';
import { createBlockRunner, createHead, embedTokens, type Device } from '@esparse/onnx';

/**
 * Hidden states that are in memory at once, as f32: 256 MiB. Windows go through the model in chunks of that size, so
 * each block's weights are read once a chunk; memory holds this, one block and a part of the head.
 */
export const MAX_HIDDEN_BYTES = 256 << 20;

export interface PerplexityOptions {
  readonly description: ModelDescription;
  /** A checkpoint, or a store: dense or packed. */
  readonly weights: WeightSource;
  /** The whole text, tokenized without special tokens. */
  readonly tokens: Uint32Array;
  /** Tokens of a window. */
  readonly seqlen: number;
  /** The first windows of the text, at most so many. @default all */
  readonly windows?: number | undefined;
  /** Threads of a run. @default the number of cores */
  readonly threads?: number | undefined;
  /** What computes the blocks; the head stays on the CPU. @default CPU */
  readonly device?: Device | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Called whenever a window has passed a block or the head. */
  readonly onProgress?: ((progress: PerplexityProgress) => void) | undefined;
}

export interface PerplexityProgress {
  /** Share of the work that is done, from 0 to 1. */
  readonly done: number;
  /** Windows that are scored. */
  readonly windows: number;
  /** Windows in all. */
  readonly totalWindows: number;
}

export interface Perplexity {
  /** exp(mean negative log-likelihood in nats). */
  readonly perplexity: number;
  /** How far off it may be, from how much the windows differ; NaN of a single window. */
  readonly standardError: number;
  /** Tokens that were predicted: windows * (seqlen - 1). */
  readonly tokens: number;
  readonly windows: number;
  /** Of each window, in nats a token: its mean negative log-likelihood. */
  readonly perToken: readonly number[];
  /** Wall-clock time. */
  readonly seconds: number;
}

/**
 * Perplexity of a text: it is cut into consecutive windows of `seqlen` tokens, the tail is dropped, each window is
 * scored alone, and its first token is not predicted. Arithmetic is f32 on weights as stored, sums are f64.
 * @throws EsparseError 'text' where the text is shorter than one window, 'usage' where `seqlen` is out of range,
 *   'numeric' where a window's likelihood is not finite
 * @example
 * const { perplexity: value } = await perplexity({ description, weights, tokens, seqlen: 512 });
 */
export async function perplexity(options: PerplexityOptions): Promise<Perplexity> {
  const { description, weights, tokens, seqlen, threads, device, signal } = options;
  const started = performance.now();
  const windows = evaluationWindows(tokens, seqlen, options.windows);
  const totalWindows = windows.length / seqlen;
  const progress = progressOf(options, totalWindows);

  const runner = await createBlockRunner(description, { seqlen, threads, device });
  const nll: number[] = [];
  try {
    const head = await createHead(description, weights, { seqlen, threads, signal });
    try {
      const step = windowsAtOnce(description, seqlen);
      for (let first = 0; first < totalWindows; first += step) {
        const chunk = slices(windows.subarray(first * seqlen, (first + step) * seqlen), seqlen);
        const states: Float32Array[] = [];
        for (const window of chunk)
          states.push(await embedTokens(description, weights, window, seqlen, signal));
        for (let block = 0; block < description.blocks; block++) {
          const loaded = await runner.load(block, weights, signal);
          for (let i = 0; i < states.length; i++) {
            signal?.throwIfAborted();
            states[i] = await loaded.advance(states[i]!);
            progress.ran();
          }
          await loaded.release();
        }
        for (const [i, window] of chunk.entries()) {
          signal?.throwIfAborted();
          nll.push(sumOf(await head.nll(states[i]!, window, signal), first + i));
          progress.scored();
        }
      }
    } finally {
      await head.release();
    }
  } finally {
    await runner.release();
  }
  return perplexityOf(nll, seqlen, started);
}

/** The figure of windows by their negative log-likelihoods in nats, added in their order. */
export function perplexityOf(nll: readonly number[], seqlen: number, started: number): Perplexity {
  const perToken = nll.map((total) => total / (seqlen - 1));
  const tokens = nll.length * (seqlen - 1);
  const perplexity = Math.exp(nll.reduce((sum, one) => sum + one, 0) / tokens);
  return {
    perplexity,
    // The derivative of exp.
    standardError: perplexity * standardError(perToken),
    tokens,
    windows: nll.length,
    perToken,
    seconds: (performance.now() - started) / 1000,
  };
}

/**
 * Bits that the model needs for a byte of the text: comparable between tokenizers, as perplexity is not.
 *
 * @param text that was tokenized to so many tokens
 */
export function bitsPerByte({ perplexity }: Perplexity, text: string, tokens: number): number {
  return (Math.log2(perplexity) * tokens) / Buffer.byteLength(text);
}

/** Windows whose hidden states fit the budget, at least one. */
export function windowsAtOnce({ hidden }: Pick<ModelDescription, 'hidden'>, seqlen: number): number {
  return Math.max(1, Math.floor(MAX_HIDDEN_BYTES / (4 * hidden * seqlen)));
}

function slices(tokens: Uint32Array, seqlen: number): Uint32Array[] {
  return Array.from({ length: tokens.length / seqlen }, (_, i) =>
    tokens.subarray(i * seqlen, (i + 1) * seqlen),
  );
}

/** Added in order of position, so that the same numbers give the same sum. */
function sumOf(nll: Float64Array, window: number): number {
  const sum = nll.reduce((total, value) => total + value, 0);
  if (Number.isFinite(sum)) return sum;
  throw new EsparseError('numeric', `window ${window}: the likelihood of its tokens is not finite`, {
    hint: 'a weight or an activation overflows or is not a number: check the model',
    context: { window },
  });
}

function progressOf({ description, onProgress }: PerplexityOptions, totalWindows: number) {
  const steps = totalWindows * (description.blocks + 1);
  let step = 0;
  let windows = 0;
  const report = () => {
    step++;
    onProgress?.({ done: step / steps, windows, totalWindows });
  };
  return {
    /** A window has passed a block. */
    ran: report,
    /** A window has passed the head. */
    scored() {
      windows++;
      report();
    },
  };
}
