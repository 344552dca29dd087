import type { OpNamed } from '@esparse/model';
import type { CudaOperation, Pass } from '../operation.ts';
import type { Sum, Tensor } from '../tensor.ts';

/** A rotation of the channels of each head, and as its gradient the rotation back. */
export const rope: CudaOperation<OpNamed<'rope'>> = {
  forward(op, pass) {
    turn(op, pass, pass.value(op.input), { ...pass.value(op.output), accumulate: false }, 1);
  },
  back(op, pass) {
    const ofInput = pass.give(op.input);
    if (ofInput !== undefined) turn(op, pass, pass.gradient(op.output), ofInput, -1);
  },
};

function turn(
  { heads, headDim, spec }: OpNamed<'rope'>,
  { kernels, rows, tokens, rope: tables }: Pass,
  from: Tensor,
  to: Sum,
  way: 1 | -1,
): void {
  const half = spec.channels / 2;
  const { cosines, sines } = tables(spec);
  const turning = [{ pointer: cosines }, { pointer: sines }, { float: way }];
  const sizes = [rows, tokens, heads, headDim, half];
  kernels.elements('rope', rows * heads * (headDim - half), [from, to, ...turning, ...sizes]);
}
