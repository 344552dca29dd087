import { availableParallelism } from 'node:os';
import { EsparseError } from '@esparse/errors';
import {
  areF32,
  kindOf,
  requireSeqlen,
  type BlockRunner,
  type HiddenValues,
  type LoadedBlock,
  type ModelDescription,
} from '@esparse/model';
import { readParameters } from './block-parameters.ts';
import { wholeBlockKind, type BlockKind, type HeldBlock } from './block-kind.ts';
import { mixtureKind } from './mixture-kind.ts';
import { mixtureParts } from './mixture-parts.ts';
import { threadsOfBlocks } from './model-threads.ts';
import { CPU, type Device } from '../device/device.ts';
import { numericsId } from '../device/numerics.ts';
import type { DeviceValue, Value } from '../device/session.ts';

export interface BlockRunnerOptions {
  /** Tokens of a sequence: every run takes exactly that many rows. */
  readonly seqlen: number;
  /** Threads of a run. Where bits depend on them, the numerics id names them. @default the number of cores */
  readonly threads?: number | undefined;
  /** What computes. It stays open when the runner is released. @default CPU */
  readonly device?: Device | undefined;
}

/**
 * Prepares to run the blocks of a model, one sequence a run. The graphs carry no weights: each of the two sessions
 * (taps, output) is made once, at its first use, and serves every block of its kind. Weights are inputs of a run, passed by pointer
 * on the CPU and placed on a WebGPU device once a block. The weights of a mixture's experts are read one expert at a time, at
 * each sequence: no two are in memory together.
 * @throws EsparseError 'usage' where `seqlen` is out of the model's range
 * @example
 * const runner = await createBlockRunner(description, { seqlen: 512 });
 * const block = await runner.load(0, checkpointWeights(checkpoint));
 * const hidden = await block.advance(await embedTokens(description, weights, tokens));
 */
export async function createBlockRunner(
  description: ModelDescription,
  { seqlen, threads = availableParallelism(), device = CPU }: BlockRunnerOptions,
): Promise<BlockRunner> {
  requireSeqlen(description, seqlen);
  const holdsDeviceMemory = device.place !== undefined;
  const depends = device.name === 'cpu' && threads > threadsOfBlocks(description, seqlen);
  const numerics = await numericsId(seqlen, device, depends ? threads : undefined);
  const createKind = (kind: number): BlockKind => {
    const options = { description, kind, seqlen, device: device.name, threads };
    const parts = mixtureParts(description, kind);
    if (parts === undefined) return wholeBlockKind(options);
    requireProcessor(description, device);
    return mixtureKind(options, parts);
  };
  const common = description.program.blocks.map((_, kind) => createKind(kind));
  /** Of the blocks that hold memory of the device. */
  const releases = new Set<() => Promise<void>>();

  return {
    numerics,
    async load(block, weights, signal) {
      const placed: DeviceValue[] = [];
      const kind = kindOf(description.program, block);
      const runner = common[kind]!;
      let released = false;
      const release = () => {
        released = true;
        releases.delete(release);
        for (const value of placed.splice(0)) value.release();
        return Promise.resolve();
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
          return { block, parameters, weights, signal };
        };
        return { ...runnable({ description, seqlen, runner, held }), release };
      } catch (error) {
        await release();
        throw error;
      }
    },
    async release() {
      await Promise.all([...releases].map((release) => release()));
      await Promise.all(common.map((kind) => kind.release()));
    },
  };
}

/** @throws EsparseError 'unsupported' for a device that has no memory to spare for an expert of any number of tokens */
function requireProcessor({ family }: ModelDescription, { name }: Device): void {
  if (name === 'cpu') return;
  throw new EsparseError(
    'unsupported',
    `${name} does not run this ${family} model: it has a mixture of experts`,
    {
      hint: 'use --device cpu',
    },
  );
}

interface Runnable {
  readonly description: ModelDescription;
  readonly seqlen: number;
  readonly runner: BlockKind;
  /** Throws once the block has been released. */
  readonly held: () => HeldBlock;
}

function runnable({ description, seqlen, runner, held }: Runnable): Pick<LoadedBlock, 'taps' | 'advance'> {
  const input = (hidden: HiddenValues): Value => {
    const shape = [seqlen, description.hidden];
    if (!areF32(hidden)) {
      throw new EsparseError('internal', 'hidden states in bf16, where f32 is computed');
    }
    if (hidden.length !== seqlen * description.hidden) {
      throw new EsparseError(
        'internal',
        `hidden states of ${hidden.length} values, not ${shape.join(' x ')}`,
      );
    }
    return { data: hidden, shape };
  };
  return {
    taps: async (hidden, options) => runner.taps(input(hidden), held(), options),
    advance: async (hidden) => runner.advance(input(hidden), held()),
  };
}
