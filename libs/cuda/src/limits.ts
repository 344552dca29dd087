import { EsparseError } from '@esparse/errors';
import type { DecoderShape, StoredLinear } from './decoder.ts';

/** Inputs of a block of 2:4 weights: see `kernels/layout.h`. */
const BLOCK_INPUTS = 128;
const PANEL_ROWS = 32;
const HEAD_DIMS = [64, 128];
const QUERIES_OF_A_KEY = [1, 2, 4, 8];
/** What a linear that norms its activations for itself can hold beside its rings: see `kernels/linear_plan.h`. */
const MAX_HIDDEN = 9344;
/** What the activations of 16 tokens leave of an SM's shared memory. */
const MAX_INPUTS = 22_272;

/** @throws EsparseError 'unsupported' naming what the kernels do not have */
export function requireRunnable({ hidden, inner, heads, kvHeads, headDim }: DecoderShape): void {
  const refuse = (what: string, there: string) => {
    throw new EsparseError('unsupported', `the CUDA kernels do not run ${what}: ${there}`, {
      hint: 'use --device cpu',
    });
  };
  if (!HEAD_DIMS.includes(headDim)) {
    refuse(`heads of ${headDim} channels`, `there are ${HEAD_DIMS.join(' and ')}`);
  }
  if (!QUERIES_OF_A_KEY.includes(heads / kvHeads)) {
    refuse(`${heads / kvHeads} query heads to a key head`, `there are ${QUERIES_OF_A_KEY.join(', ')}`);
  }
  for (const [what, inputs, most] of [
    ['a hidden size', hidden, MAX_HIDDEN],
    ['an inner size', inner, MAX_INPUTS],
    ['attention outputs', heads * headDim, MAX_INPUTS],
  ] as const) {
    if (inputs % BLOCK_INPUTS !== 0 || inputs > most) {
      refuse(`${what} of ${inputs}`, `there are multiples of ${BLOCK_INPUTS} up to ${most}`);
    }
  }
}

/** Bytes of a linear on the device. */
export function packedBytes({ rows, cols }: Pick<StoredLinear, 'rows' | 'cols'>, sparse: boolean): number {
  return Math.ceil(rows / PANEL_ROWS) * PANEL_ROWS * cols * (sparse ? 1.125 : 2);
}
