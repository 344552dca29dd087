import { Adam } from './adam.ts';
import { survivorsOf, type Values } from './backend.ts';
import type { TunedParameter } from './tune-block.ts';

/** The parameters of a block while they are learnt. */
export interface Learner {
  /** Slots of those that are not fixed. */
  readonly slots: readonly string[];
  /** All of them, as they are now: `step` changes them in place. */
  readonly values: Values;
  /**
   * One step down the gradients of those that are not fixed.
   * @param scale what the gradients are multiplied by first
   */
  step(gradients: Values, rate: number, scale: number): void;
  /** Remembers those that are not fixed as they are now. */
  readonly keep: () => void;
  /** What was remembered last; the start otherwise. */
  readonly kept: () => Values;
  /** Puts other values in the place of those that are not fixed. */
  readonly place: (values: Values) => void;
}

/** Begins at the given values, which are left as they are; what is pruned is 0. */
export function createLearner(parameters: ReadonlyMap<string, TunedParameter>): Learner {
  const learnt = [...parameters].filter(([, { fixed = false }]) => !fixed);
  const values = new Map([...parameters].map(([slot, parameter]) => [slot, parameter.values]));
  for (const [slot, parameter] of learnt) values.set(slot, survivorsOf(parameter));
  const kept = new Map(learnt.map(([slot]) => [slot, values.get(slot)!.slice()]));
  const adams = new Map(learnt.map(([slot, { mask }]) => [slot, new Adam(values.get(slot)!, mask)]));
  return {
    slots: [...kept.keys()],
    values,
    step(gradients, rate, scale) {
      for (const [slot, adam] of adams) adam.step(gradients.get(slot)!, rate, scale);
    },
    keep() {
      for (const [slot, copy] of kept) copy.set(values.get(slot)!);
    },
    kept: () => kept,
    place(given) {
      for (const slot of kept.keys()) values.get(slot)!.set(given.get(slot)!);
    },
  };
}
