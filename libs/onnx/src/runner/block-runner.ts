import type { WeightSource } from '@esparse/checkpoint';
import { EsparseError } from '@esparse/errors';
import { BLOCK_OUTPUT, kindOf, MAX_SEQLEN, type ModelDescription } from '@esparse/model';
import { readParameters } from './block-parameters.ts';
import { lazyBlockSession, type LazyBlockSession, type Parameters } from './block-session.ts';
import { CPU, type Device } from '../device/device.ts';
import { numericsId } from '../device/numerics.ts';
import type { DeviceValue, Value } from '../device/session.ts';

export interface BlockRunnerOptions {
  /** Tokens of a sequence: every run takes exactly that many rows. */
  readonly seqlen: number;
  /** Threads of a run; bits do not depend on it. @default the number of cores */
  readonly threads?: number | undefined;
  /** What computes. It stays open when the runner is released. @default CPU */
  readonly device?: Device | undefined;
}

/** The activations of one tap for one sequence: (rows x channels), row-major. */
export interface TapOutput {
  readonly tap: string;
  readonly rows: number;
  readonly channels: number;
  readonly data: Float32Array;
}

/** One block with its weights in memory, the device's where there is one. */
export interface LoadedBlock {
  /** The inputs of the block's linears, in the order of the description's taps. `hidden` is (seqlen x hidden). */
  taps(hidden: Float32Array): Promise<TapOutput[]>;
  /** The block's output, (seqlen x hidden). `hidden` is left as it is. */
  advance(hidden: Float32Array): Promise<Float32Array>;
  /** Gives the device's memory back: the block can no longer run. On the CPU, dropping it is enough. */
  release(): Promise<void>;
}

/** Runs the blocks of one model, any of them. */
export interface BlockRunner {
  /** Names the arithmetic: see `numericsId`. */
  readonly numerics: string;
  /**
   * Reads a block's weights as f32. Only what is loaded and not dropped is held.
   * @throws EsparseError 'usage' where there is no such block, 'checkpoint' where a tensor has another size
   */
  load(block: number, weights: WeightSource, signal?: AbortSignal): Promise<LoadedBlock>;
  /** Frees the sessions and what was loaded, which can no longer run. */
  release(): Promise<void>;
}

/**
 * Prepares to run the blocks of a model, one sequence a run. The graphs carry no weights: each of the two sessions
 * (taps, output) is made once, at its first use, and serves every block of its kind. Weights are inputs of a run, passed by pointer
 * on the CPU and placed on a WebGPU device once a block. CUDA would copy inputs at every run, so there each block has
 * sessions of its own, with the weights as constants.
 * @throws EsparseError 'usage' where `seqlen` is out of the model's range
 * @example
 * const runner = await createBlockRunner(description, { seqlen: 512 });
 * const block = await runner.load(0, checkpointWeights(checkpoint));
 * const hidden = await block.advance(await embedTokens(description, weights, tokens));
 */
export async function createBlockRunner(
  description: ModelDescription,
  { seqlen, threads, device = CPU }: BlockRunnerOptions,
): Promise<BlockRunner> {
  requireSeqlen(description, seqlen);
  const ownSessions = device.weights === 'constants';
  const holdsDeviceMemory = ownSessions || device.place !== undefined;
  const numerics = await numericsId(seqlen, device);
  const createSessions = (kind: number): Sessions => {
    const shared = { description, kind, rows: seqlen, device: device.name, threads, binding: device.weights };
    return {
      taps: lazyBlockSession({ ...shared, values: description.taps.map(({ name }) => name) }),
      output: lazyBlockSession({ ...shared, values: [BLOCK_OUTPUT] }),
    };
  };
  const common = description.program.blocks.map((_, kind) => createSessions(kind));
  /** Of the blocks that hold memory of the device. */
  const releases = new Set<() => Promise<void>>();

  return {
    numerics,
    async load(block, weights, signal) {
      const placed: DeviceValue[] = [];
      const kind = kindOf(description.program, block);
      const sessions = ownSessions ? createSessions(kind) : common[kind]!;
      let released = false;
      const release = async () => {
        released = true;
        releases.delete(release);
        for (const value of placed.splice(0)) value.release();
        if (ownSessions) await releaseSessions(sessions);
      };
      const place = async (value: Value) => {
        if (device.place === undefined) return value;
        const there = await device.place(value);
        placed.push(there);
        return there;
      };
      if (holdsDeviceMemory) releases.add(release);
      try {
        const parameters = await readParameters(description, block, weights, place, signal);
        const held = () => {
          if (released) throw new EsparseError('internal', 'the block has been released');
          return parameters;
        };
        return { ...runnable({ description, seqlen, sessions, parameters: held }), release };
      } catch (error) {
        await release();
        throw error;
      }
    },
    async release() {
      await Promise.all([...releases].map((release) => release()));
      await Promise.all(common.map(releaseSessions));
    },
  };
}

/** The two sessions that a block needs. */
interface Sessions {
  readonly taps: LazyBlockSession;
  readonly output: LazyBlockSession;
}

async function releaseSessions({ taps, output }: Sessions): Promise<void> {
  await Promise.all([taps.release(), output.release()]);
}

interface Runnable {
  readonly description: ModelDescription;
  readonly seqlen: number;
  /** Throws once the block has been released. */
  readonly parameters: () => Parameters;
  readonly sessions: Sessions;
}

function runnable({
  description,
  seqlen,
  parameters,
  sessions,
}: Runnable): Pick<LoadedBlock, 'taps' | 'advance'> {
  const input = (hidden: Float32Array): Value => {
    const shape = [seqlen, description.hidden];
    if (hidden.length !== seqlen * description.hidden) {
      throw new EsparseError(
        'internal',
        `hidden states of ${hidden.length} values, not ${shape.join(' x ')}`,
      );
    }
    return { data: hidden, shape };
  };
  return {
    async taps(hidden) {
      const values = await sessions.taps.run(input(hidden), parameters());
      return description.taps.map(({ name, channels }) => ({
        tap: name,
        rows: seqlen,
        channels,
        data: values.get(name)!.data,
      }));
    },
    async advance(hidden) {
      const values = await sessions.output.run(input(hidden), parameters());
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
