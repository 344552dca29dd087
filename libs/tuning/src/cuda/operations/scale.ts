import type { OpNamed } from '@esparse/model';
import type { CudaOperation, Pass } from '../operation.ts';

/** `output = factor · input`, element by element. */
export const scale: CudaOperation<OpNamed<'scale'>> = {
  forward({ input, output, factor }, { kernels, value, rows, width }) {
    const eights = (rows * width(input)) / 8;
    const out = { ...value(output), accumulate: false };
    kernels.elements('scale', eights, [value(input), { float: factor }, out, { long: eights }]);
  },
  back({ input, output, factor }, pass) {
    giveScaled(pass, output, input, factor);
  },
};

/** The gradient of what is read is that of the output, times a factor. */
export function giveScaled(
  { kernels, gradient, give, rows, width }: Pass,
  output: string,
  input: string,
  factor: number,
): void {
  const sum = give(input);
  if (sum === undefined) return;
  const eights = (rows * width(input)) / 8;
  kernels.elements('scale', eights, [gradient(output), { float: factor }, sum, { long: eights }]);
}
