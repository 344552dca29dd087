import type { OpNamed } from '@esparse/model';
import type { Action, OperationContext } from './operations.ts';
import { weightsOf, named } from './model-weights.ts';

/** Chooses the experts of each token: the softmax of the router's outputs, where it is largest. */
export function prepareRouter(op: OpNamed<'router'>, context: OperationContext): Action {
  const { input, output, weight, bias, experts } = op;
  const { value, weights, kernels, scratch } = context;
  const [x, y] = [value(input), value(output)];
  const router = kernels.createLinear({
    ...weightsOf(named(weights.tables, weight)),
    bias: bias === undefined ? undefined : named(weights.vectors, bias),
  });
  return (values, tokens) => {
    const [logits] = scratch.buffers([experts], tokens) as [Float32Array];
    router.apply(values[x]!, tokens, logits.subarray(0, tokens * experts));
    for (let token = 0; token < tokens; token++) {
      const row = token * experts;
      chooseExperts(op, logits.subarray(row, row + experts), values[y]!.subarray(row, row + experts));
    }
  };
}

/**
 * The shares of one token's experts, zero where they are not chosen.
 *
 * @param logits what the router says of each expert
 */
export function chooseExperts(
  { top, normalise }: Pick<OpNamed<'router'>, 'top' | 'normalise'>,
  logits: Float32Array,
  shares: Float32Array,
): void {
  const largest = logits.reduce((most, logit) => Math.max(most, logit), -Infinity);
  const chosen: number[] = [];
  for (let n = 0; n < top; n++) {
    let best = -1;
    for (let expert = 0; expert < logits.length; expert++) {
      // Of equal ones the first.
      if (!chosen.includes(expert) && (best < 0 || logits[expert]! > logits[best]!)) best = expert;
    }
    chosen.push(best);
  }
  const power = (expert: number) => Math.exp(logits[expert]! - largest);
  let sum = 0;
  if (normalise) for (const expert of chosen) sum += power(expert);
  else for (let expert = 0; expert < logits.length; expert++) sum += power(expert);
  shares.fill(0);
  for (const expert of chosen) shares[expert] = power(expert) / sum;
}
