/** The pipeline that docs/tutorial-plugins.md builds, step by step. */
import {
  canonicalOrder,
  damagedState,
  defineMetric,
  definePipeline,
  defineShuffle,
  defineStatistic,
  identityOrder,
  keptScore,
  readerOf,
  scoreByChannel,
  z,
} from '@esparse/api';

/** |x| is counted in steps of this size: sums of whole numbers are exact, in any order. */
const STEP = 2 ** -20;

interface Magnitudes {
  /** f64 (channels): Σ|x| in steps. */
  readonly sums: Float64Array;
}

/** Σ|x| of each channel. */
export const magnitudes = defineStatistic<Magnitudes>({
  name: 'magnitudes',
  create: (channels) => ({ sums: new Float64Array(channels) }),
  update({ sums }, { data, rows, channels }) {
    for (let i = 0; i < rows * channels; i++) {
      sums[i % channels]! += Math.round(Math.abs(data[i]!) / STEP);
    }
  },
  merge(into, from) {
    for (let c = 0; c < from.sums.length; c++) into.sums[c]! += from.sums[c]!;
  },
  serialise: ({ sums }) => new Uint8Array(sums.slice().buffer),
  deserialise(bytes, channels) {
    if (bytes.length !== 8 * channels) throw damagedState('magnitudes', 'it has another length');
    return { sums: new Float64Array(bytes.slice().buffer) };
  },
});

/** The mean of |x| of each channel, f32 (channels). */
export const meanMagnitude = readerOf(magnitudes, ({ sums, tokens }) =>
  Float32Array.from(sums, (sum) => (sum * STEP) / tokens),
);

/** |W| times the mean of |x|. */
export const steady = defineMetric({
  name: 'steady',
  statistics: { magnitude: meanMagnitude },
  score: ({ dtype, weights, rows, cols, statistics: { magnitude } }) =>
    scoreByChannel(dtype, weights, rows, cols, magnitude),
});

/** Tries random orders, and takes the one that keeps most. */
export const bestOf = defineShuffle({
  name: 'best-of',
  options: z.object({
    tries: z.int().min(0).max(10_000).default(20).describe('random orders to try'),
  }),
  async order({ scores, rows, cols }, { keep, group }, { options: { tries }, signal }) {
    const kept = (order: Int32Array) => keptScore(scores, rows, cols, order, keep, group);
    let permutation = identityOrder(cols);
    const keptBefore = await kept(permutation);
    let keptAfter = keptBefore;
    const random = createRandom();
    for (let i = 0; i < tries; i++) {
      signal?.throwIfAborted();
      const order = canonicalOrder(shuffled(cols, random), group);
      const found = await kept(order);
      if (found > keptAfter) [permutation, keptAfter] = [order, found];
    }
    return { permutation, keptBefore, keptAfter };
  },
});

/** The same numbers in [0, 1) at every run (mulberry32): an order may depend on the scores alone. */
function createRandom(): () => number {
  let state = 1;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

function shuffled(cols: number, random: () => number): Int32Array {
  const order = identityOrder(cols);
  for (let i = cols - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return order;
}

export default definePipeline({
  name: 'steady',
  summary: '|W| times the mean of |x|, the best of random orders',
  options: z.object({
    tries: z.int().min(0).max(10_000).default(20).describe('random orders to try: 0 for none'),
  }),
  create: ({ tries }) => ({ metric: steady(), shuffle: bestOf({ tries }) }),
});
