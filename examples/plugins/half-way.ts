/**
 * A block stage of one's own: tunes a block on its output, and goes a part of the way there, which is less bound to the
 * calibration than all of it. Its report says how much the dense block changes what passes through it.
 *
 *   npx esparse prune --pipeline examples/plugins/half-way.ts --set share=0.7 \
 *     --model examples/models/llama-2m --calibration examples/text/calibration.txt --store out/half-way.zarr
 */
import { defineBlockStage, definePipeline, narrow, wanda, widen, z } from '@esparse/api';

const options = z.object({
  share: z.number().min(0).max(1).default(0.5).describe('of the way from what was pruned to what was tuned'),
  steps: z.int().min(1).default(20).describe('steps of gradient descent'),
});

export const halfWay = defineBlockStage({
  name: 'half-way',
  options,
  // The hidden states behind the pruned blocks, and the dense model's own, which `tune` takes by its share `dense`.
  states: 'both',
  async run({ linears, tensors, states }, { options: { share, steps }, tune }) {
    let [passed, changed] = [0, 0];
    for await (const { input, output } of states()) {
      for (let i = 0; i < input.length; i++) {
        passed += input[i]! ** 2;
        changed += (output[i]! - input[i]!) ** 2;
      }
    }
    const tuned = await tune({ steps, learningRate: 1e-3, batch: 4, dense: 0.5, heldOut: 0.1 });
    const between = (before: Float32Array, after: Float32Array) =>
      before.map((value, i) => value + share * (after[i]! - value));
    const weights: Record<string, Uint16Array> = {};
    for (const { name, dtype, weights: masked } of linears) {
      const before = await widen(dtype, await masked());
      // What is pruned is 0 in both, and stays 0.
      weights[name] = narrow(dtype, between(before, await widen(dtype, tuned.weights[name]!)));
    }
    const others: Record<string, Float32Array> = {};
    for (const { slot, values } of tensors) {
      const after = tuned.tensors[slot];
      if (after !== undefined) others[slot] = between(await values(), after);
    }
    const change = passed === 0 ? 0 : changed / passed;
    return { weights, tensors: others, report: { change, steps: tuned.report.steps ?? steps } };
  },
});

export default definePipeline({
  name: 'half-way',
  summary: 'Wanda, then each block a part of the way to what tuning makes of it',
  options,
  create: (given) => ({ metric: wanda(), blockStages: [halfWay(given)] }),
});
