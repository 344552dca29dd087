import { EsparseError } from '@esparse/errors';
import type { TensorDtype } from '../tensor-info.ts';

/** A type of ggml's tensors: elements lie in blocks, each of so many bytes. */
export interface GgufType {
  readonly name: string;
  readonly elements: number;
  readonly bytes: number;
  /**
   * The type that a checkpoint has it in: as it is, or, for blocks of quantized elements, bf16: their values are rounded to
   * it, as a bf16 checkpoint of the same model would have been.
   */
  readonly dtype: TensorDtype;
  /** The values of whole blocks; not for types that are kept as they are. */
  readonly dequantize?: (blocks: DataView, count: number, out: Float32Array) => void;
}

/** An IEEE 754 half-precision number. */
function half(view: DataView, at: number): number {
  const bits = view.getUint16(at, true);
  const [sign, exponent, fraction] = [bits & 0x8000 ? -1 : 1, (bits >> 10) & 31, bits & 1023];
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** Calls `block(at, first)` for each block: where its bytes begin, and which element is its first. */
function eachBlock(
  bytes: number,
  elements: number,
  block: (view: DataView, at: number, out: Float32Array, first: number) => void,
): NonNullable<GgufType['dequantize']> {
  return (view, count, out) => {
    for (let b = 0; b < count; b++) block(view, b * bytes, out, b * elements);
  };
}

/** Scale, then 32 signed bytes. */
const q8_0 = eachBlock(34, 32, (view, at, out, first) => {
  const scale = half(view, at);
  for (let j = 0; j < 32; j++) out[first + j] = scale * view.getInt8(at + 2 + j);
});

/** Scale, then 16 bytes: their low halves are elements 0 to 15, their high halves 16 to 31; 8 is zero. */
const q4_0 = eachBlock(18, 32, (view, at, out, first) => {
  const scale = half(view, at);
  for (let j = 0; j < 16; j++) {
    const both = view.getUint8(at + 2 + j);
    out[first + j] = scale * ((both & 15) - 8);
    out[first + 16 + j] = scale * ((both >> 4) - 8);
  }
});

/** Scale, least, then as `q4_0`. */
const q4_1 = eachBlock(20, 32, (view, at, out, first) => {
  const [scale, least] = [half(view, at), half(view, at + 2)];
  for (let j = 0; j < 16; j++) {
    const both = view.getUint8(at + 4 + j);
    out[first + j] = scale * (both & 15) + least;
    out[first + 16 + j] = scale * (both >> 4) + least;
  }
});

/**
 * 256 elements in eight groups of 32: two halves, 12 bytes with a scale and a least of 6 bits for each group, 128 bytes of
 * two elements. Groups 2 g and 2 g + 1 share 32 bytes, low and high halves.
 */
const q4_k = eachBlock(144, 256, (view, at, out, first) => {
  const [scale, least] = [half(view, at), half(view, at + 2)];
  const byte = (i: number) => view.getUint8(at + 4 + i);
  for (let group = 0; group < 8; group++) {
    const [s, m] =
      group < 4
        ? [byte(group) & 63, byte(group + 4) & 63]
        : [
            (byte(group + 4) & 15) | ((byte(group - 4) >> 6) << 4),
            (byte(group + 4) >> 4) | ((byte(group) >> 6) << 4),
          ];
    const [factor, shift] = [scale * s, least * m];
    const data = at + 16 + (group >> 1) * 32;
    for (let j = 0; j < 32; j++) {
      const both = view.getUint8(data + j);
      out[first + group * 32 + j] = factor * (group & 1 ? both >> 4 : both & 15) - shift;
    }
  }
});

/**
 * 256 elements of 6 bits: 128 bytes with their low four bits, 64 with their high two, 16 signed scales of 16 elements each,
 * one half. 32 is zero. Each half of the block has 64 bytes of low and 32 of high bits, for four runs of 32 elements.
 */
const q6_k = eachBlock(210, 256, (view, at, out, first) => {
  const scale = half(view, at + 208);
  for (let part = 0; part < 2; part++) {
    for (let run = 0; run < 4; run++) {
      for (let j = 0; j < 32; j++) {
        const low = view.getUint8(at + part * 64 + (run & 1) * 32 + j);
        const high = view.getUint8(at + 128 + part * 32 + j);
        const bits = (run < 2 ? low & 15 : low >> 4) | (((high >> (2 * run)) & 3) << 4);
        const local = view.getInt8(at + 192 + part * 8 + run * 2 + (j >> 4));
        out[first + part * 128 + run * 32 + j] = scale * local * (bits - 32);
      }
    }
  }
});

/** The types that are read, by ggml's numbers. */
export const GGUF_TYPES: ReadonlyMap<number, GgufType> = new Map([
  [0, { name: 'F32', elements: 1, bytes: 4, dtype: 'F32' }],
  [1, { name: 'F16', elements: 1, bytes: 2, dtype: 'F16' }],
  [2, { name: 'Q4_0', elements: 32, bytes: 18, dtype: 'BF16', dequantize: q4_0 }],
  [3, { name: 'Q4_1', elements: 32, bytes: 20, dtype: 'BF16', dequantize: q4_1 }],
  [8, { name: 'Q8_0', elements: 32, bytes: 34, dtype: 'BF16', dequantize: q8_0 }],
  [12, { name: 'Q4_K', elements: 256, bytes: 144, dtype: 'BF16', dequantize: q4_k }],
  [14, { name: 'Q6_K', elements: 256, bytes: 210, dtype: 'BF16', dequantize: q6_k }],
  [30, { name: 'BF16', elements: 1, bytes: 2, dtype: 'BF16' }],
]);

/** Types of blocks that are written: a scale in half precision, then 32 whole numbers. */
export type GgufBlocks = 'Q8_0' | 'Q4_0';
/** Elements of a block. */
export const BLOCK_ELEMENTS = 32;

/** Bytes of so many elements of a type of blocks. */
export function blockBytes(type: GgufBlocks, elements: number): number {
  return (elements / BLOCK_ELEMENTS) * GGUF_TYPES.get(ggufTypeOf(type))!.bytes;
}

/**
 * Whole numbers and their scales as blocks of ggml.
 *
 * @param integers -128 to 127 of Q8_0, -8 to 7 of Q4_0: a multiple of 32
 * @param scales the bits of half precision, one for each 32
 */
export function toBlocks(type: GgufBlocks, integers: Int8Array, scales: Uint16Array): Uint8Array {
  const bytes = blockBytes(type, BLOCK_ELEMENTS);
  const out = new Uint8Array(blockBytes(type, integers.length));
  const view = new DataView(out.buffer);
  for (let b = 0; b < scales.length; b++) {
    view.setUint16(b * bytes, scales[b]!, true);
    for (let j = 0; j < BLOCK_ELEMENTS; j++) {
      const integer = integers[b * BLOCK_ELEMENTS + j]!;
      if (type === 'Q8_0') out[b * bytes + 2 + j] = integer;
      else out[b * bytes + 2 + (j & 15)]! |= (integer + 8) << (j < 16 ? 0 : 4);
    }
  }
  return out;
}

/** ggml's number of a type that is written. */
export function ggufTypeOf(dtype: TensorDtype | GgufBlocks): number {
  for (const [number, { name }] of GGUF_TYPES) if (name === dtype) return number;
  throw new EsparseError('internal', `no type of ggml is called ${dtype}`);
}
