import { generate } from '@esparse/engine';
import { openInferenceKernels, readBandwidth } from '@esparse/kernels';
import { linearsOf, type ModelDescription } from '@esparse/model';
import { inspectBlocks, totalsOf } from '@esparse/model-store';
import type { FrontierPoint, Roofline } from '@esparse/report-page';
import { openStore } from '@esparse/store';
import { measure } from '../eval/figures.ts';
import type { EvalRequest } from '../eval/request.ts';
import { openSource, type ModelSource } from '../model-source.ts';
import { cacheOf, type CacheFlags } from '../options/cache.ts';
import type { SourceFlags } from '../options/source.ts';
import { withEngine } from '../with-engine.ts';

/** What is measured of each model. */
export interface FrontierRequest extends CacheFlags {
  /** The text of the perplexity. @default none is measured */
  readonly text: EvalRequest | undefined;
  /** Whether the speed of decoding is measured. */
  readonly speed: boolean;
  readonly threads?: number;
  readonly signal: AbortSignal;
  /** A line that says how far it is. */
  readonly onProgress: (line: string) => void;
}

/** Tokens that are decoded before time is taken, and while it is. */
const WARM_TOKENS = 8;
const TIMED_TOKENS = 64;

/** Of the array that is read: much larger than the caches, and small beside a model. */
const BANDWIDTH_BYTES = 256 * 2 ** 20;

/** Measures a model for the picture of size against quality and speed. */
export async function measurePoint(
  flags: SourceFlags,
  kind: FrontierPoint['kind'],
  name: string,
  request: FrontierRequest,
): Promise<FrontierPoint> {
  const { text, speed, signal, onProgress } = request;
  const source = await openSource(flags, signal);
  try {
    const figures =
      text &&
      (await measure(source, text, {
        ...request,
        verify: 'none',
        onProgress: (line) => {
          onProgress(`${name}: ${line}`);
        },
      }));
    const tokensPerSecond = speed ? await decodingSpeed(source, request) : undefined;
    return {
      ...{ name, kind, bitsPerWeight: await bitsOf(source) },
      ...(figures?.text && { perplexity: figures.text.perplexity }),
      ...(tokensPerSecond !== undefined && { tokensPerSecond }),
    };
  } finally {
    await source.close();
  }
}

/** Bits of a weight of the linears, indices and orders counted; of a checkpoint, those that it is computed in. */
async function bitsOf({ place, description }: ModelSource): Promise<number> {
  if (!('store' in place)) return 16;
  const run = await (await openStore(place.store)).openRun(place.run);
  const { bytes, permutationBytes } = totalsOf(await inspectBlocks(run, description));
  return (8 * (bytes + permutationBytes)) / weightsOf(description);
}

function weightsOf(description: ModelDescription): number {
  let weights = 0;
  for (let block = 0; block < description.blocks; block++) {
    for (const { rows, cols } of linearsOf(description, block)) weights += rows * cols;
  }
  return weights;
}

/** Tokens a second while one sequence is decoded. */
async function decodingSpeed(
  source: ModelSource,
  { threads, signal, onProgress, ...cache }: FrontierRequest,
): Promise<number> {
  onProgress(`${source.name}: decoding`);
  return withEngine(
    { ...source.place, ...cacheOf(cache), threads, verify: 'none', signal },
    async (engine, stopped) => {
      const tokens = generate(engine, {
        prompt: Uint32Array.of(0),
        maxTokens: WARM_TOKENS + TIMED_TOKENS,
        signal: stopped,
      });
      for (let i = 0; i < WARM_TOKENS; i++) await tokens.next();
      const started = performance.now();
      let timed = 0;
      while ((await tokens.next()).done !== true) timed++;
      return timed / ((performance.now() - started) / 1000);
    },
  );
}

/** What bounds the speed of decoding on this machine: every weight, and the head, is read once a token. */
export function measureRoofline(description: ModelDescription, threads: number | undefined): Roofline {
  const kernels = openInferenceKernels(threads === undefined ? {} : { threads });
  return {
    bandwidth: readBandwidth(kernels, BANDWIDTH_BYTES),
    weights: weightsOf(description),
    otherBytes: 2 * description.vocab * description.hidden,
  };
}
