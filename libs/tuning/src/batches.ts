import { uniformInt } from 'pure-rand/distribution/uniformInt';
import { mersenne } from 'pure-rand/generator/mersenne';

/** Which sequences are tuned on, and which only tell how well it goes. */
export interface Batches {
  readonly training: readonly number[];
  readonly heldOut: readonly number[];
  /** The sequences of the next step: all of `training` once, in an order of their own, before any comes again. */
  next(): number[];
}

/**
 * Parts the sequences 0 .. count - 1, and draws batches of those that are trained on. The same seed gives the same.
 * @param heldOut the share that is held out, at least one sequence
 */
export function createBatches(count: number, heldOut: number, batch: number, seed: number): Batches {
  const random = mersenne(seed);
  const all = shuffled(
    Array.from({ length: count }, (_, sequence) => sequence),
    random,
  );
  const held = Math.min(Math.max(1, Math.round(count * heldOut)), count - 1);
  const training = all.slice(held);
  let waiting: number[] = [];
  return {
    heldOut: all.slice(0, held),
    training,
    next() {
      const drawn: number[] = [];
      while (drawn.length < batch) {
        if (waiting.length === 0) waiting = shuffled(training, random);
        drawn.push(...waiting.splice(0, batch - drawn.length));
      }
      return drawn;
    },
  };
}

/** Fisher and Yates. */
function shuffled(values: readonly number[], random: ReturnType<typeof mersenne>): number[] {
  const order = [...values];
  for (let i = order.length - 1; i > 0; i--) {
    const j = uniformInt(random, 0, i);
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return order;
}
