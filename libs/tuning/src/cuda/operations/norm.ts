import { columnBytes, sumColumns } from '../columns.ts';
import type { CudaOperation, Pass, PassSizes } from '../operation.ts';

/** A norm of rows, or of equal parts of them, as both kinds are computed. */
export interface Norm {
  readonly input: string;
  readonly output: string;
  /** Slots. */
  readonly weight: string;
  readonly bias?: string;
  readonly epsilon: number;
  readonly offset: number;
  readonly groups: number;
  /** Whether the mean is taken off. */
  readonly centred: boolean;
}

/** An operation that is a norm. */
export function normOperation<Op>(normOf: (op: Op) => Norm): CudaOperation<Op> {
  return {
    // Mean and root of each row, and sums of the parameters' gradients.
    memory(op, sizes) {
      const { rows, channels } = shapeOf(normOf(op), sizes);
      return [8 * rows, columnBytes(rows, channels)];
    },
    forward(op, pass) {
      const norm = normOf(op);
      const { rows, channels } = shapeOf(norm, pass);
      const { value, parameter, kernels, own } = pass;
      const { input, output, weight, bias, offset, epsilon, centred } = norm;
      const bounds = [
        ...[
          { pointer: parameter(weight).master },
          { pointer: bias === undefined ? 0 : parameter(bias).master },
        ],
        ...[{ float: offset }, { float: epsilon }, centred, { pointer: own(output)[0]! }],
      ];
      kernels.rows('norm', rows, [value(input), ...bounds, value(output), rows, channels / 8]);
    },
    back(op, pass) {
      back(normOf(op), pass);
    },
  };
}

function back(norm: Norm, pass: Pass): void {
  const { input, output, weight, bias, offset, centred } = norm;
  const { rows, channels } = shapeOf(norm, pass);
  const { value, parameter, kernels, own, gradient, give, giveParameter } = pass;
  const [stats, parts] = own(output);
  const x = value(input);
  const given = gradient(output);
  const ofInput = give(input);
  if (ofInput !== undefined) {
    const bounds = [{ pointer: parameter(weight).master }, { float: offset }, centred, { pointer: stats! }];
    kernels.rows('norm_back', rows, [x, ...bounds, given, ofInput, rows, channels / 8]);
  }
  const sums = { rows, columns: channels, parts: parts! };
  const ofWeight = giveParameter(weight);
  if (ofWeight !== undefined) sumColumns(kernels, sums, given, ofWeight, { x, stats: stats! });
  const ofBias = bias === undefined ? undefined : giveParameter(bias);
  if (ofBias !== undefined) sumColumns(kernels, sums, given, ofBias);
}

/** What is normalised: rows, or parts of rows. */
function shapeOf({ input, groups }: Norm, { rows, width }: PassSizes) {
  return { rows: rows * groups, channels: width(input) / groups };
}
