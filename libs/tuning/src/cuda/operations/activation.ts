import type { OpNamed } from '@esparse/model';
import type { CudaOperation } from '../operation.ts';

/** Activations by number: see `kernels/tune/activation.cuh`. */
export const ACTIVATIONS = { relu: 0, gelu: 1, silu: 2 } as const;

/** `output = activation(input)`, element by element. */
export const activation: CudaOperation<OpNamed<'activation'>> = {
  forward({ activation: kind, input, output }, { kernels, value, rows, width }) {
    const eights = (rows * width(input)) / 8;
    const which = ACTIVATIONS[kind];
    kernels.elements('activation', eights, [which, value(input), value(output), { long: eights }]);
  },
  back({ activation: kind, input, output }, { kernels, value, gradient, give, rows, width }) {
    const sum = give(input);
    if (sum === undefined) return;
    const eights = (rows * width(input)) / 8;
    const which = ACTIVATIONS[kind];
    kernels.elements('activation_back', eights, [
      which,
      value(input),
      gradient(output),
      sum,
      { long: eights },
    ]);
  },
};
