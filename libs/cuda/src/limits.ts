import { EsparseError } from '@esparse/errors';
import type { StoredLinear } from './decoder.ts';
import { deviceHeadDim, type DecoderShape } from './shape.ts';

/** Inputs of a block of 2:4 weights: see `kernels/layout.h`. The device fills others up with zeros. */
const BLOCK_INPUTS = 128;
const GROUP = 4;
/** What a linear that norms its activations for itself can hold beside its rings: see `kernels/linear_plan.h`. */
const MAX_HIDDEN = 9344;
/** What the activations of 16 tokens leave of an SM's shared memory. */
const MAX_INPUTS = 22_272;
/** See `kernels/arguments.h`. */
const MAX_EXPERTS = 256;
const MAX_TOP = 8;

/** @throws EsparseError 'unsupported' naming what the kernels do not have */
export function requireRunnable({ hidden, inner, heads, kvHeads, headDim, mixture }: DecoderShape): void {
  const refuse = (what: string, there: string) => {
    throw new EsparseError('unsupported', `the CUDA kernels do not run ${what}: ${there}`, {
      hint: 'use --device cpu',
    });
  };
  if (headDim % 2 !== 0 || headDim > deviceHeadDim(headDim)) {
    refuse(`heads of ${headDim} channels`, `there are even numbers up to ${deviceHeadDim(headDim)}`);
  }
  if (heads % kvHeads !== 0) {
    refuse(`${heads} query heads to ${kvHeads} key heads`, 'each key head needs as many');
  }
  const { experts = 0, top = 0 } = mixture ?? {};
  if (experts > MAX_EXPERTS || top > MAX_TOP) {
    refuse(`${top} of ${experts} experts a token`, `there are up to ${MAX_TOP} of ${MAX_EXPERTS}`);
  }
  for (const [what, inputs, most] of [
    ['a hidden size', hidden, MAX_HIDDEN],
    ['an inner size', inner, MAX_INPUTS],
    ['attention outputs', heads * headDim, MAX_INPUTS],
  ] as const) {
    if (inputs % GROUP !== 0 || filled(inputs) > most) {
      refuse(`${what} of ${inputs}`, `there are multiples of ${GROUP} up to ${most}`);
    }
  }
}

const filled = (inputs: number) => Math.ceil(inputs / BLOCK_INPUTS) * BLOCK_INPUTS;

/** Bytes of a linear on the device, at most: its rows may be the inputs of another one. */
export function packedBytes({ rows, cols }: Pick<StoredLinear, 'rows' | 'cols'>, sparse: boolean): number {
  return filled(rows) * filled(cols) * (sparse ? 1.125 : 2);
}
