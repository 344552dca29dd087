import type { OpNamed } from '@esparse/model';
import type { CudaOperation } from '../operation.ts';
import { giveScaled } from './scale.ts';

/** `output = left + right`, element by element. */
export const add: CudaOperation<OpNamed<'add'>> = {
  forward({ left, right, output }, { kernels, value, rows, width }) {
    const eights = (rows * width(output)) / 8;
    kernels.elements('add', eights, [value(left), value(right), value(output), { long: eights }]);
  },
  back({ left, right, output }, pass) {
    giveScaled(pass, output, left, 1);
    giveScaled(pass, output, right, 1);
  },
};
