import { EsparseError } from '@esparse/errors';
import type { StoredLinear } from './decoder.ts';
import type { KernelImage } from './read-ptx.ts';
import { deviceHeadDim, type DecoderShape } from './shape.ts';

/** Inputs of a block of 2:4 weights: see `kernels/layout.h`. The device fills others up with zeros. */
const BLOCK_INPUTS = 128;
const GROUP = 4;
/** What the activations of a linear leave room for its rings beside, in the shared memory of a block: see `kernels/linear_plan.h`. */
export const LIMITS = {
  80: { hidden: 7808, inputs: 14_720 },
  90: { hidden: 9344, inputs: 21_632 },
} as const;
/** See `kernels/arguments.h`. */
const MAX_EXPERTS = 256;
const MAX_TOP = 8;

/** @throws EsparseError 'unsupported' naming what the kernels do not have */
export function requireRunnable(
  { hidden, inner, heads, kvHeads, headDim, mixture }: DecoderShape,
  image: KernelImage,
): void {
  const most = LIMITS[image];
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
  for (const [what, inputs, limit] of [
    ['a hidden size', hidden, most.hidden],
    ['an inner size', inner, most.inputs],
    ['attention outputs', heads * headDim, most.inputs],
  ] as const) {
    if (inputs % GROUP !== 0 || filled(inputs) > limit) {
      refuse(`${what} of ${inputs}`, `there are multiples of ${GROUP} up to ${limit} on this GPU`);
    }
  }
}

const filled = (inputs: number) => Math.ceil(inputs / BLOCK_INPUTS) * BLOCK_INPUTS;

/** Bytes of a weight on the device: integers have 2 bytes more for every 64 inputs (2:4; `fine`: 32), or 32 (dense). */
const WEIGHT_BYTES = {
  sparse: 1.125,
  dense: 2,
  sparse8: 0.625 + 1 / 32,
  sparse4: 0.375 + 1 / 32,
  sparse4fine: 0.375 + 1 / 16,
  dense8: 1 + 1 / 16,
  dense4: 0.5 + 1 / 16,
} as const;

/** What the device has a linear's weights as: see `kernels/encoding.h`. */
export type DeviceEncoding = keyof typeof WEIGHT_BYTES;

/** Bits of the integers that the kernels have. */
export type DeviceBits = 4 | 8;

/** What a store says of a linear. */
export interface LinearKind {
  readonly cols: number;
  /** Both 1 where nothing is pruned. */
  readonly keep: number;
  readonly group: number;
  /** Of integers, and how many groups share a scale. */
  readonly bits?: DeviceBits | undefined;
  readonly span?: number | undefined;
}

/**
 * The encoding that a linear of the store has on the device; undefined where the kernels have none. Of integers they have 2:4
 * with scales for whole 64 inputs (of 4 bits for whole 32, too), and dense with scales for whole 32 inputs; or one scale a row.
 */
export function deviceEncoding({ cols, keep, group, bits, span }: LinearKind): DeviceEncoding | undefined {
  const sparse = keep === 2 && group === 4;
  if (!sparse && group !== 1) return undefined;
  if (bits === undefined || span === undefined) return sparse ? 'sparse' : 'dense';
  const covers = (inputs: number) => (span * group) % inputs === 0 || span * group >= cols;
  if (!sparse) return covers(32) ? `dense${bits}` : undefined;
  if (covers(64)) return `sparse${bits}`;
  return bits === 4 && covers(32) ? 'sparse4fine' : undefined;
}

/** Bits of the integers of an encoding. */
export function encodingBits(encoding: DeviceEncoding): DeviceBits | undefined {
  return encoding.includes('8') ? 8 : encoding.includes('4') ? 4 : undefined;
}

/** Bytes of a linear on the device, at most: its rows may be the inputs of another one. */
export function packedBytes(
  { rows, cols }: Pick<StoredLinear, 'rows' | 'cols'>,
  encoding: DeviceEncoding,
): number {
  return filled(rows) * filled(cols) * WEIGHT_BYTES[encoding];
}
