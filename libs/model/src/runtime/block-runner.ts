import type { WeightSource } from '@esparse/checkpoint';
import { EsparseError } from '@esparse/errors';
import type { ModelDescription } from '../description.ts';
import { MAX_SEQLEN } from '../limits.ts';
import { BLOCK_INPUT, BLOCK_OUTPUT } from '../program.ts';
import { readParameters } from './block-parameters.ts';
import { lazyBlockSession, type LazyBlockSession } from './block-session.ts';
import { numericsId } from './numerics.ts';
import type { Value } from './session.ts';

export interface BlockRunnerOptions {
  /** Tokens of a sequence: every run takes exactly that many rows. */
  readonly seqlen: number;
  /** Threads of a run; bits do not depend on it. @default the number of cores */
  readonly threads?: number | undefined;
}

/** The activations of one tap for one sequence: (rows x channels), row-major. */
export interface TapOutput {
  readonly tap: string;
  readonly rows: number;
  readonly channels: number;
  readonly data: Float32Array;
}

/** One block with its weights in memory. Dropping it frees them. */
export interface LoadedBlock {
  /** The inputs of the block's linears, in the order of the description's taps. `hidden` is (seqlen x hidden). */
  taps(hidden: Float32Array): Promise<TapOutput[]>;
  /** The block's output, (seqlen x hidden). `hidden` is left as it is. */
  advance(hidden: Float32Array): Promise<Float32Array>;
}

/** Runs the blocks of one model, any of them, through the same two sessions. */
export interface BlockRunner {
  /** Names the arithmetic: see `numericsId`. */
  readonly numerics: string;
  /**
   * Reads a block's weights as f32. Only what is loaded and not dropped is held.
   * @throws EsparseError 'usage' where there is no such block, 'checkpoint' where a tensor has another size
   */
  load(block: number, weights: WeightSource, signal?: AbortSignal): Promise<LoadedBlock>;
  /** Frees the sessions; what was loaded can no longer run. */
  release(): Promise<void>;
}

/**
 * Prepares to run the blocks of a model on the CPU, one sequence a run. The graphs carry no weights: each of the two
 * sessions (taps, output) is made once, at its first use, and serves every block.
 * @throws EsparseError 'usage' where `seqlen` is out of the model's range
 * @example
 * const runner = await createBlockRunner(description, { seqlen: 512 });
 * const block = await runner.load(0, checkpointWeights(checkpoint));
 * const hidden = await block.advance(await embedTokens(description, weights, tokens));
 */
export async function createBlockRunner(
  description: ModelDescription,
  { seqlen, threads }: BlockRunnerOptions,
): Promise<BlockRunner> {
  requireSeqlen(description, seqlen);
  const taps = lazyBlockSession(
    description,
    seqlen,
    threads,
    description.taps.map(({ name }) => name),
  );
  const output = lazyBlockSession(description, seqlen, threads, [BLOCK_OUTPUT]);
  const numerics = await numericsId(seqlen);
  return {
    numerics,
    async load(block, weights, signal) {
      const parameters = await readParameters(description, block, weights, signal);
      return loadedBlock({ description, seqlen, parameters, taps, output });
    },
    async release() {
      await Promise.all([taps.release(), output.release()]);
    },
  };
}

interface Loaded {
  readonly description: ModelDescription;
  readonly seqlen: number;
  readonly parameters: ReadonlyMap<string, Value>;
  readonly taps: LazyBlockSession;
  readonly output: LazyBlockSession;
}

function loadedBlock({ description, seqlen, parameters, taps, output }: Loaded): LoadedBlock {
  const inputs = (hidden: Float32Array): ReadonlyMap<string, Value> => {
    const shape = [seqlen, description.hidden];
    if (hidden.length !== seqlen * description.hidden) {
      throw new EsparseError(
        'internal',
        `hidden states of ${hidden.length} values, not ${shape.join(' x ')}`,
      );
    }
    return new Map([...parameters, [BLOCK_INPUT, { data: hidden, shape }]]);
  };
  return {
    async taps(hidden) {
      const values = await taps.run(inputs(hidden));
      return description.taps.map(({ name, channels }) => ({
        tap: name,
        rows: seqlen,
        channels,
        data: values.get(name)!.data,
      }));
    },
    async advance(hidden) {
      const values = await output.run(inputs(hidden));
      return values.get(BLOCK_OUTPUT)!.data;
    },
  };
}

/** @throws EsparseError 'usage' where the model has no positions for a sequence of that length */
export function requireSeqlen({ family, maxPositions }: ModelDescription, seqlen: number): void {
  if (!Number.isInteger(seqlen) || seqlen < 1) {
    throw new EsparseError('usage', `seqlen ${seqlen} is not a whole number above 0`);
  }
  const most = Math.min(maxPositions, MAX_SEQLEN);
  if (seqlen > most) {
    throw new EsparseError(
      'usage',
      `seqlen ${seqlen} exceeds ${most}, the longest sequence of this ${family} model`,
      {
        hint: `choose a seqlen of at most ${most}`,
      },
    );
  }
}
