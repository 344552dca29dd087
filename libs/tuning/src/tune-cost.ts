import type { BlockCost, BlockStageShape } from '@esparse/sparsity';
import { LEARNT_BYTES } from './cuda/parameters.ts';
import { TUNING_PIECE_BYTES, tuningMemory } from './tuning-memory.ts';

/** f32 copies of each parameter: itself as it was and as it becomes, the best yet, two means, two sums of gradients. */
const COPIES = 8;
/** All values of a sequence, times what ONNX Runtime holds of it forward and back and does not give back: up to 7 were seen. */
const ACTIVATIONS = 8;
/** Forward and back: each product has two more that take it back. */
const PASSES = 3;
/** How often the held-out sequences are looked at, with those as many that are tuned on. */
const LOOKS = 13;

/** What `tune` takes for one block. */
export function tuneCost(
  { weights, others, values, hidden, sequences, seqlen }: BlockStageShape,
  {
    options: { steps, batch, heldOut, dense, samples = sequences },
  }: {
    readonly options: {
      readonly steps: number;
      readonly batch: number;
      readonly heldOut: number;
      readonly dense: number;
      readonly samples?: number | undefined;
    };
  },
): BlockCost {
  if (steps === 0) return {};
  const used = Math.min(samples, sequences);
  // Of each sequence its input and its target.
  const states = 2 * 4 * used * seqlen * hidden;
  const held = Math.min(states, tuningMemory());
  // The last piece of memory may stay empty, and one of the file is in memory while it is written.
  const piece = states > held ? Math.max(TUNING_PIECE_BYTES, 2 * 4 * seqlen * hidden) : 0;
  const targets = used * (dense > 0 ? 2 : 1);
  const sequencePasses = targets + PASSES * steps * batch + LOOKS * Math.ceil(heldOut * used);
  return {
    // What comes back, dense, beside one linear as it is packed.
    pruner: 4 * weights + 4 * others,
    // The masks are a byte a weight.
    worker: 4 * COPIES * (weights + others) + weights + ACTIVATIONS * 4 * seqlen * values + held + piece,
    gpu: LEARNT_BYTES * (weights + others),
    file: Math.min(states, states - held + piece),
    flops: sequencePasses * seqlen * 2 * weights,
  };
}
