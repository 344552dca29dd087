/** What statistics add to the forward pass of a block of the 7B shape on an NVIDIA GPU, with as many sequences a shard as runs have there. */
import { elementCount, type WeightSource } from '@esparse/checkpoint';
import { createCudaBlockRunner, CudaArithmetic } from '@esparse/cuda';
import { narrow } from '@esparse/kernels';
import {
  BLOCK_OUTPUT,
  describeModel,
  tapsOf,
  tensorsOfBlock,
  type DeviceTap,
  type LoadedBlock,
  type ModelDescription,
} from '@esparse/model';
import { amplitude, entropy, rowSample, type AnyStatistic } from '@esparse/statistics';
import { llamaConfig, seededNumbers } from '../support/random-model.ts';
import { heading, median, print } from './table.ts';

const SHAPE = { hidden: 4096, intermediate: 11008, blocks: 1, heads: 32, kvHeads: 32, vocab: 32000 };
const SEQLEN = 2048;
/** 64 MiB of hidden states, of which there are 128 sequences: see `shardsOf` of @esparse/pruner. */
const SEQUENCES = 4;
const SHARDS = 32;
/** Values from where the states of a shard begin to where those of the next do. */
const APART = 1048;
const ROUNDS = 5;
/** What they may add, in parts of the forward pass. */
const WANTED = 0.3;

const GATHERED: Readonly<Record<string, readonly AnyStatistic[]>> = {
  'forward pass': [],
  'with amplitude': [amplitude],
  'with amplitude and entropy': [amplitude, entropy] as AnyStatistic[],
  'with those and the sample of rows': [amplitude, entropy, rowSample] as AnyStatistic[],
};

export async function benchCalibration(): Promise<void> {
  const description = describeModel(llamaConfig({ ...SHAPE, tiedHead: false }));
  const gpu = CudaArithmetic.open();
  heading(`a block of the 7B shape, ${SHARDS} shards of ${SEQUENCES} x ${SEQLEN} tokens, ${gpu.facts.name}`);
  const runner = createCudaBlockRunner(description, { gpu, seqlen: SEQLEN });
  try {
    const block = await runner.load(0, noiseWeights(description));
    const seconds: Record<string, number[]> = {};
    // In turns, so that a clock that falls is not taken for a statistic.
    for (let round = 0; round <= ROUNDS; round++) {
      for (const [name, statistics] of Object.entries(GATHERED)) {
        const taken = await secondsOfPass(gpu, block, description, statistics);
        if (round > 0) (seconds[name] ??= []).push(taken);
      }
    }
    const forward = median(seconds['forward pass']!);
    for (const [name, all] of Object.entries(seconds)) {
      const taken = median(all);
      const more = taken / forward - 1;
      const isWanted = name === 'with amplitude and entropy';
      print({
        name,
        measured: `${(1000 * taken).toFixed(1)} ms${more > 0 ? `, + ${(100 * more).toFixed(1)} %` : ''}`,
        ...(isWanted && { target: `<= + ${100 * WANTED} %`, met: more <= WANTED }),
      });
    }
  } finally {
    await runner.release();
    gpu.close();
  }
}

/** All shards through the block; the states of the statistics are made before, and stay on the GPU. */
async function secondsOfPass(
  gpu: CudaArithmetic,
  block: LoadedBlock,
  description: ModelDescription,
  statistics: readonly AnyStatistic[],
): Promise<number> {
  const { hidden } = description;
  const length = SEQUENCES * SEQLEN * hidden;
  // Each shard begins elsewhere, so that no two rows are alike.
  const values = noiseStates(length + SHARDS * APART);
  const states = gpu.allocate(values.byteLength);
  gpu.upload(states.address, values);
  const folds = tapsOf(description, 0).map(({ name, channels }) => ({
    name,
    all: statistics.map((statistic) => statistic.onDevice!(gpu, channels)),
  }));
  const visits = new Map(
    folds.map(({ name, all }) => [
      name,
      (tap: DeviceTap) => {
        for (const fold of all) fold.update(tap);
      },
    ]),
  );
  // All of the block is computed, whatever is gathered of it.
  visits.set(BLOCK_OUTPUT, () => undefined);
  try {
    gpu.wait();
    const started = performance.now();
    for (let shard = 0; shard < SHARDS; shard++)
      await block.show!({ address: states.address + 2 * shard * APART, length }, visits);
    gpu.wait();
    return (performance.now() - started) / 1000;
  } finally {
    for (const { all } of folds) for (const fold of all) fold.release();
    gpu.release(states);
  }
}

let noise: Uint16Array | undefined;

/** bf16 from -1 to 1, made once. */
function noiseStates(length: number): Uint16Array {
  const random = seededNumbers(1);
  return (noise ??= narrow(
    'bf16',
    Float32Array.from({ length }, () => 2 * random() - 1),
  ));
}

/** Matrices of noise of a trained model's scale, norms of ones. */
function noiseWeights(description: ModelDescription): WeightSource {
  const shapes = new Map(tensorsOfBlock(description, 0).map(({ name, shape }) => [name, shape]));
  const random = seededNumbers(7);
  const scale = Math.sqrt(3 / description.hidden);
  const pool = narrow(
    'bf16',
    Float32Array.from({ length: 2 ** 22 }, () => scale * (2 * random() - 1)),
  );
  const shape = (name: string) => shapes.get(name)!;
  const none = () => Promise.reject(new Error('no rows are read'));
  return {
    has: (name) => shapes.has(name),
    shape,
    read: (name) => Promise.resolve(new Float32Array(elementCount(shape(name))).fill(1)),
    bits: (name) => {
      const bits = new Uint16Array(elementCount(shape(name)));
      for (let at = 0; at < bits.length; at += pool.length)
        bits.set(pool.subarray(0, Math.min(pool.length, bits.length - at)), at);
      return Promise.resolve(bits);
    },
    readRows: none,
    readRowRange: none,
  };
}
