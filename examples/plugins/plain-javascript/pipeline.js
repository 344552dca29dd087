/**
 * A pipeline in plain JavaScript that may stand in any folder: `@esparse/api` is that of the command which loads it.
 *
 *   cp examples/plugins/plain-javascript/pipeline.js /tmp
 *   npx esparse prune --pipeline /tmp/pipeline.js \
 *     --model examples/models/llama-2m --calibration examples/text/calibration.txt --store out/deal.zarr
 */
import { canonicalOrder, definePipeline, defineShuffle, keptScore, wanda } from '@esparse/api';

/** Deals the channels to the groups one each, in their original order: neighbours land in different groups. */
const deal = defineShuffle({
  name: 'deal',
  async order({ scores, rows, cols }, { keep, group }) {
    const original = Int32Array.from({ length: cols }, (_, i) => i);
    const dealt = original.map((i) => (i % group) * (cols / group) + Math.floor(i / group));
    const permutation = canonicalOrder(dealt, group);
    const kept = (order) => keptScore(scores, rows, cols, order, keep, group);
    return { permutation, keptBefore: await kept(original), keptAfter: await kept(permutation) };
  },
});

export default definePipeline({
  name: 'deal',
  summary: 'Wanda, channels dealt to the groups',
  create: () => ({ metric: wanda(), shuffle: deal() }),
});
