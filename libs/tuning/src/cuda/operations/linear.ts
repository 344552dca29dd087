import { biasSlot, linearNamed, weightSlot, type OpNamed } from '@esparse/model';
import { columnBytes, sumColumns } from '../columns.ts';
import type { CudaOperation } from '../operation.ts';

/** `output = input · Wᵀ (+ bias)`: three products of the matrix cores. The sums of a product are f32, bias included. */
export const linear: CudaOperation<OpNamed<'linear'>> = {
  // Sums of the bias's gradient.
  memory: ({ linear: name }, { rows, description }) => {
    const { bias, rows: outputs } = linearNamed(description, name);
    return bias === undefined ? [] : [columnBytes(rows, outputs)];
  },
  forward(op, { description, rows, kernels, multiply, value, half, parameter }) {
    const { rows: n, cols: k, bias } = linearNamed(description, op.linear);
    const out = value(op.output);
    if (bias !== undefined) {
      const { master } = parameter(biasSlot(op.linear));
      kernels.elements('spread', (rows * n) / 8, [{ pointer: master }, out, rows, n / 8]);
    }
    multiply({
      ...{ m: rows, n, k, transposeRight: true, inputs: 'bf16', outputs: out.type },
      ...{ left: half(op.input), right: parameter(weightSlot(op.linear)).copy, out: out.address },
      beta: bias === undefined ? 0 : 1,
    });
  },
  back(
    op,
    { description, rows, kernels, multiply, own, half, parameter, halfGradient, give, giveParameter },
  ) {
    const { rows: n, cols: k, bias } = linearNamed(description, op.linear);
    const given = halfGradient(op.output);
    const ofInput = give(op.input);
    if (ofInput !== undefined) {
      multiply({
        ...{ m: rows, n: k, k: n, inputs: 'bf16', outputs: ofInput.type },
        ...{ left: given, right: parameter(weightSlot(op.linear)).copy, out: ofInput.address },
        beta: ofInput.accumulate ? 1 : 0,
      });
    }
    const ofWeight = giveParameter(weightSlot(op.linear));
    if (ofWeight !== undefined) {
      multiply({
        ...{ m: n, n: k, k: rows, transposeLeft: true, inputs: 'bf16', outputs: 'f32' },
        ...{ left: given, right: half(op.input), out: ofWeight.address },
        beta: ofWeight.accumulate ? 1 : 0,
      });
    }
    const ofBias = bias === undefined ? undefined : giveParameter(biasSlot(op.linear));
    if (ofBias === undefined) return;
    sumColumns(
      kernels,
      { rows, columns: n, parts: own(op.output)[0]! },
      { address: given, type: 'bf16' },
      ofBias,
    );
  },
};
