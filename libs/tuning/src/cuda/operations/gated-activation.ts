import type { OpNamed } from '@esparse/model';
import type { CudaOperation } from '../operation.ts';
import { ACTIVATIONS } from './activation.ts';

/** `output = activation(gate) * up`, element by element: what it reads comes of linears, whose gradients are wanted. */
export const gatedActivation: CudaOperation<OpNamed<'gatedActivation'>> = {
  forward({ activation, gate, up, output }, { kernels, value, rows, width }) {
    const eights = (rows * width(gate)) / 8;
    const which = ACTIVATIONS[activation];
    kernels.elements('gated', eights, [which, value(gate), value(up), value(output), { long: eights }]);
  },
  back({ activation, gate, up, output }, { kernels, value, gradient, give, rows, width }) {
    const eights = (rows * width(gate)) / 8;
    const [ofGate, ofUp] = [give(gate), give(up)];
    if (ofGate === undefined || ofUp === undefined) return;
    const values = [value(gate), value(up), gradient(output), ofGate, ofUp];
    kernels.elements('gated_back', eights, [ACTIVATIONS[activation], ...values, { long: eights }]);
  },
};
