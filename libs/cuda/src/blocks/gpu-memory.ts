import type { WeightSource } from '@esparse/checkpoint';
import {
  kindOf,
  linearsOf,
  slotsOf,
  tapsOf,
  type DeviceTap,
  type HiddenValues,
  type ModelDescription,
} from '@esparse/model';
import type { AnyStatistic } from '@esparse/statistics';
import { GRANULE, type ArithmeticFacts, type Gpu } from '../arithmetic.ts';
import { requireLaunchable } from '../require-launchable.ts';
import { createCudaBlockRunner, OUTPUTS_LEAVING } from './block-runner.ts';

/** What driver and cuBLASLt take on an H200 beside what is asked for: its context, kernels, and the workspace of products. */
export const CONTEXT_BYTES = 700 * 2 ** 20;

/** Bytes of an element of a tap. */
const BF16_BYTES = 2;

/** What a GPU is to do. */
export interface GpuWorkload {
  readonly seqlen: number;
  /** Of a shard, at most. */
  readonly sequences: number;
  /** What is gathered there. @default nothing */
  readonly statistics?: readonly AnyStatistic[];
}

/**
 * The most that a worker takes of a GPU's memory, whatever block it runs: runs each kind of block, and folds the statistics of
 * its taps, on a GPU that counts what is asked for and does nothing else.
 *
 * @throws EsparseError as `createCudaBlockRunner`
 */
export async function gpuMemory(
  description: ModelDescription,
  { seqlen, sequences, statistics = [] }: GpuWorkload,
): Promise<number> {
  const { gpu, peak } = countingGpu();
  const runner = createCudaBlockRunner(description, { gpu, seqlen });
  for (const kind of description.program.blocks.keys()) {
    const block = Array.from({ length: description.blocks }, (_, k) => k).find(
      (k) => kindOf(description.program, k) === kind,
    );
    if (block === undefined) continue;
    const loaded = await runner.load(block, weightsOf(description, block));
    const hidden = { length: sequences * seqlen * description.hidden, BYTES_PER_ELEMENT: 2 };
    // Only its length and type are looked at.
    const states = hidden as unknown as HiddenValues & Uint16Array;
    const taps = tapsOf(description, block);
    const folds = taps.map(({ channels }) =>
      statistics.flatMap((statistic) => statistic.onDevice?.(gpu, channels) ?? []),
    );
    // Where a statistic needs the dense model's taps, these are kept until the others come.
    const dense = statistics.some(({ needsDense = false }) => needsDense)
      ? taps.map(({ channels }) => gpu.allocate(BF16_BYTES * sequences * seqlen * channels))
      : [];
    const fold = (i: number) => (tap: DeviceTap) => {
      for (const each of folds[i]!) each.update({ ...tap, dense: dense[i]?.address });
    };
    await loaded.show!(states, new Map(taps.map(({ name }, i) => [name, fold(i)])));
    for (const each of folds.flat()) each.release();
    for (const memory of dense) gpu.release(memory);
    // The next block is read while this one is run.
    const next = await runner.load(block, weightsOf(description, block));
    const leaving = Array.from({ length: OUTPUTS_LEAVING - 1 }, () =>
      gpu.allocate(BF16_BYTES * hidden.length),
    );
    await loaded.advanceRounded!(states);
    for (const memory of leaving) gpu.release(memory);
    await Promise.all([loaded.release(), next.release()]);
  }
  await runner.release();
  return CONTEXT_BYTES + peak();
}

/** Tensors of the block's shapes that hold nothing. */
function weightsOf(description: ModelDescription, block: number): WeightSource {
  const slots = slotsOf(linearsOf(description, block), description.blockTensors(block), block);
  const sizes = new Map(slots.map(({ name, shape }) => [name, shape.reduce((size, each) => size * each, 1)]));
  const read = (name: string) =>
    Promise.resolve({ length: sizes.get(name), BYTES_PER_ELEMENT: 4 } as unknown as Float32Array);
  return { has: (name) => sizes.has(name), shape: () => [], read, readRows: read, readRowRange: read };
}

/**
 * A GPU that has any room, computes nothing, and remembers how much was in use at once: what was released is given back where
 * there is no room for more. It refuses the launches that every GPU refuses.
 */
function countingGpu(): { readonly gpu: Gpu; peak(): number } {
  let [next, used, most] = [GRANULE, 0, 0];
  const nothing = () => undefined;
  const gpu: Gpu = {
    facts: FACTS,
    ...{ load: nothing, upload: nothing, download: nothing, copy: nothing, fill: nothing },
    uploadLater: () => Promise.resolve(),
    downloadLater: () => Promise.resolve(),
    downloadBeside: () => Promise.resolve(),
    share: () => new Uint8Array(0),
    ...{ launch: requireLaunchable, multiply: nothing, wait: nothing, trim: nothing },
    allocate(bytes) {
      const size = Math.max(GRANULE, Math.ceil(bytes / GRANULE) * GRANULE);
      used += size;
      most = Math.max(most, used);
      next += size;
      return { address: next - size, bytes: size };
    },
    release({ bytes }) {
      used -= bytes;
    },
  };
  return { gpu, peak: () => most };
}

const FACTS: ArithmeticFacts = {
  ...{ name: '', driverVersion: 0, major: 9, minor: 0, multiprocessors: 0 },
  ...{ freeBytes: 0, totalBytes: 0, heldBytes: 0, cublaslt: 0 },
};
