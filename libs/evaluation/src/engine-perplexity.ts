import { setImmediate } from 'node:timers/promises';
import { evaluationWindows } from '@esparse/checkpoint';
import { EsparseError, isEsparseError } from '@esparse/errors';
import { logSumExps, type Engine, type Sequence } from '@esparse/engine';
import { perplexityOf, type Perplexity, type PerplexityProgress } from './perplexity.ts';
import { rowsAtOnce } from './rows-at-once.ts';

export interface EnginePerplexityOptions {
  /** Its context holds a window. */
  readonly engine: Engine;
  /** The whole text, tokenized without special tokens. */
  readonly tokens: Uint32Array;
  /** Tokens of a window. */
  readonly seqlen: number;
  /** The first windows of the text, at most so many. @default all */
  readonly windows?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Called whenever a window is scored. */
  readonly onProgress?: ((progress: PerplexityProgress) => void) | undefined;
}

/**
 * The same figure as `perplexity`, by the engine that serves the model, straight from the packed weights.
 * @throws EsparseError as `perplexity`
 */
export async function enginePerplexity(options: EnginePerplexityOptions): Promise<Perplexity> {
  const { tokens, seqlen, onProgress } = options;
  const started = performance.now();
  const windows = evaluationWindows(tokens, seqlen, options.windows);
  const count = windows.length / seqlen;
  const nll: number[] = [];
  for (let window = 0; window < count; window++) {
    nll.push(await scoreWindow(options, windows.subarray(window * seqlen, (window + 1) * seqlen), window));
    onProgress?.({ done: (window + 1) / count, windows: window + 1, totalWindows: count });
  }
  return perplexityOf(nll, seqlen, started);
}

/** The negative log-likelihood of a window's tokens but the first, added in order of position. */
async function scoreWindow(
  { engine, signal }: EnginePerplexityOptions,
  window: Uint32Array,
  index: number,
): Promise<number> {
  const { vocab } = engine.description;
  const rows = Math.min(engine.maxStepTokens, rowsAtOnce(vocab));
  const sequence: Sequence | undefined = engine.reserve(window.length);
  if (sequence === undefined) throw new EsparseError('unavailable', 'the key-value cache holds no window');
  try {
    let nll = 0;
    // Nothing comes after the last token.
    const inputs = window.subarray(0, -1);
    for (let at = 0; at < inputs.length; at += rows) {
      await setImmediate();
      signal?.throwIfAborted();
      const part = inputs.subarray(at, at + rows);
      const [logits] = await engine.step([{ sequence, tokens: part, want: 'allLogits' }], signal);
      const totals = await logSumExps(logits, vocab);
      for (let i = 0; i < part.length; i++) nll += totals[i]! - logits[i * vocab + window[at + i + 1]!]!;
    }
    return nll;
  } catch (error) {
    throw inWindow(error, index);
  } finally {
    sequence.release();
  }
}

/** Says in which window the logits were not numbers. */
function inWindow(error: unknown, window: number): unknown {
  if (!isEsparseError(error) || error.kind !== 'numeric') return error;
  return new EsparseError('numeric', `window ${window}: ${error.message}`, {
    hint: error.hint,
    context: { window },
    cause: error,
  });
}
