import { biasSlot, linearNamed, weightSlot, type OpNamed } from '@esparse/model';
import { columnBytes, sumColumns } from '../columns.ts';
import type { CudaOperation } from '../operation.ts';

/** A multiprocessor computes a tile of so many rows and columns of a product. */
const TILE = 128;
/** Products of fewer tiles leave most of a GPU idle, and are cut along what they add up. */
const FEW_TILES = 32;
/** Not beyond so many parts of tiles, nor into parts of fewer rows. */
const [MOST_PARTS, LEAST_ROWS] = [256, 512];

/** Parts into which the rows are cut that a weight's gradient, (n x k), adds up: each is a product, and a kernel adds them up in order. */
export function partsOf(rows: number, n: number, k: number): number {
  const tiles = Math.ceil(n / TILE) * Math.ceil(k / TILE);
  if (tiles >= FEW_TILES) return 1;
  let parts = 1;
  while (2 * parts * tiles <= MOST_PARTS && rows % (2 * parts) === 0 && rows / (2 * parts) >= LEAST_ROWS)
    parts *= 2;
  return parts;
}

/** `output = input · Wᵀ (+ bias)`: three products of the matrix cores. The sums of a product are f32, bias included. */
export const linear: CudaOperation<OpNamed<'linear'>> = {
  // Parts of the weight's gradient, and of the bias's.
  memory: ({ linear: name }, { rows, description }) => {
    const { bias, rows: n, cols: k } = linearNamed(description, name);
    const parts = partsOf(rows, n, k);
    return [parts === 1 ? 0 : 4 * parts * n * k, bias === undefined ? 0 : columnBytes(rows, n)];
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
    const [sums, biasSums] = own(op.output) as [number, number];
    if (ofWeight !== undefined) {
      const parts = partsOf(rows, n, k);
      const part = rows / parts;
      const product = {
        ...({ m: n, n: k, k: part, transposeLeft: true, inputs: 'bf16', outputs: 'f32' } as const),
        ...{ left: given, right: half(op.input) },
      };
      if (parts === 1) multiply({ ...product, out: ofWeight.address, beta: ofWeight.accumulate ? 1 : 0 });
      else {
        const steps = { leftStep: part * n, rightStep: part * k, outStep: n * k };
        multiply({ ...product, ...steps, batch: parts, out: sums });
        kernels.elements('columns', n * k, [
          ...[{ pointer: sums }, { pointer: ofWeight.address }, parts, n * k, ofWeight.accumulate],
        ]);
      }
    }
    const ofBias = bias === undefined ? undefined : giveParameter(biasSlot(op.linear));
    if (ofBias === undefined) return;
    sumColumns(kernels, { rows, columns: n, parts: biasSums }, { address: given, type: 'bf16' }, ofBias);
  },
};
