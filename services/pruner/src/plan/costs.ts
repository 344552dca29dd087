import { hessianCost, hessianMemory, type HessianCost, type HessianShape } from '@esparse/reconstruction';
import type { Plugin } from '@esparse/sparsity';
import type { StatisticReader } from '@esparse/statistics';
import { STAGE_COSTS, type StageCost } from './stage-cost.ts';
import { sum } from './store-bytes.ts';

/** What statistics and stages take beyond amplitude, entropy and the steps of every pipeline. */
export interface Extra {
  /** Of the process: ONNX Runtime, which multiplies for the Hessians. */
  readonly processBytes: number;
  /** Of a block's taps: memory that is bounded, and a file beyond it. */
  readonly hessians: (shape: Omit<HessianShape, 'memory'>) => HessianCost;
  /** Of one tap: the work of a token and of a sequence. */
  readonly flopsPerToken: (channels: number) => number;
  readonly secondsPerSequence: (channels: number) => number;
  /** Of all stages: they follow each other. */
  readonly stages: StageCost;
  /** Statistics and stages whose memory and time nobody knows. */
  readonly uncounted: readonly string[];
}

/** Statistics whose numbers of channels are in a plan as they are. */
export const OF_CHANNELS: ReadonlySet<string> = new Set(['amplitude', 'entropy']);

/** Statistics that are matrices of channels, and counted as such. */
const OF_PRODUCTS: ReadonlySet<string> = new Set(['gram', 'drift']);

/** ONNX Runtime within the pruner, and what lies about of its products: 105 MiB were seen. */
const PRODUCTS_BYTES = 128 * 2 ** 20;
/** Seconds to add an entry of a sequence's product to the sums: 1.5 to 3 ns were seen. */
const GRAM_ADD_SECONDS = 2e-9;

/** Adds up what a pipeline's statistics and stages take, so far as it is known. */
export function extraOf(readers: Iterable<StatisticReader>, stages: readonly Plugin[]): Extra {
  const names = new Set(Array.from(readers, ({ statistic }) => statistic.name));
  const gram = names.has('gram') ? 1 : 0;
  const drift = names.has('drift') ? 1 : 0;
  const costs = stages.flatMap(({ name, options = {} }) => STAGE_COSTS.get(name)?.(options) ?? []);
  return {
    processBytes: gram * PRODUCTS_BYTES,
    hessians: (shape) =>
      gram === 0
        ? { gathering: 0, solving: 0, file: 0 }
        : hessianCost({ ...shape, drift: drift === 1, memory: hessianMemory() }),
    flopsPerToken: (channels) => (gram + drift) * 2 * channels ** 2,
    secondsPerSequence: (channels) => (gram / 2 + drift) * GRAM_ADD_SECONDS * channels ** 2,
    stages: {
      bytes: (linear) => Math.max(0, ...costs.map((cost) => cost.bytes(linear))),
      flops: (linear) => sum(costs.map((cost) => cost.flops(linear))),
      seconds: (linear) => sum(costs.map((cost) => cost.seconds(linear))),
    },
    uncounted: [
      ...[...names].filter((name) => !OF_PRODUCTS.has(name) && !OF_CHANNELS.has(name)),
      ...stages.flatMap(({ name }) => (STAGE_COSTS.has(name) ? [] : [name])),
    ],
  };
}
