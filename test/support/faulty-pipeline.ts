/** Linears of a block of the example's model: a fault from the second block on has a block committed before it. */
const LINEARS = 7;

/** A pipeline that works until its second block, and then has the fault that its option names. */
export const FAULTY_PIPELINE = `
import { defineMetric, definePipeline, defineShuffle, defineStage, defineStatistic, none, readerOf, widen, z } from '@esparse/api';

const fault = z.string().default('none');
let calls = 0;
const late = () => ++calls > ${LINEARS};
const forever = () => { for (;;); };

const rows = defineStatistic<{ seen: number }>({
  name: 'rows',
  create: () => ({ seen: 0 }),
  update(state, tile) {
    state.seen += tile.rows;
    if (told === 'update' && calls >= ${LINEARS}) throw new Error('cannot count');
  },
  merge(into, from) { into.seen += from.seen; },
  serialise: (state) => new Uint8Array(new Float64Array([state.seen]).buffer),
  deserialise: (bytes) => ({ seen: new Float64Array(bytes.slice().buffer)[0]! }),
});
let told = 'none';

const metric = defineMetric({
  name: 'faulty-metric',
  options: z.object({ fault }),
  statistics: {
    rows: readerOf(rows, ({ seen }) => {
      if (told === 'read' && calls >= ${LINEARS}) throw new Error('cannot read');
      return seen;
    }),
  },
  async score({ dtype, weights }, { options: { fault } }) {
    const scores = (await widen(dtype, weights)).map(Math.abs);
    if (!late()) return scores;
    if (fault === 'throws') throw new TypeError('cannot score');
    if (fault === 'hangs') return new Promise<Float32Array>(() => { setInterval(() => undefined, 1000); });
    if (fault === 'loops') forever();
    if (fault === 'short') return scores.slice(1);
    if (fault === 'nan') return scores.fill(NaN);
    return scores;
  },
});

const shuffle = defineShuffle({
  name: 'faulty-shuffle',
  options: z.object({ fault }),
  async order(matrix, pattern, { options: { fault } }) {
    const found = await none().order(matrix, pattern);
    return fault === 'order' ? { ...found, permutation: found.permutation.fill(0) } : found;
  },
});

const stage = defineStage({
  name: 'faulty-stage',
  options: z.object({ fault }),
  statistics: {},
  async run({ weights, mask }, { options: { fault }, progress }) {
    progress(1, 1);
    if (fault === 'mask') return { mask: mask.map(() => 255) };
    if (fault === 'infinite') return { weights: weights.map(() => 0x7f80) };
    return {};
  },
});

export default definePipeline({
  name: 'faulty',
  summary: 'A pipeline with a fault',
  options: z.object({ fault }),
  create(options) {
    told = options.fault;
    return { metric: metric(options), shuffle: shuffle(options), stages: [stage(options)] };
  },
});
`;
