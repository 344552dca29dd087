/**
 * MXFP4 (OCP Microscaling Formats 1.0): blocks of 32 numbers, each of 4 bits (a sign, two of exponent, one of fraction), two to
 * a byte, the first in its lower half; and of each block a scale, a byte s that stands for 2^(s - 127).
 */

/** Numbers of a block. */
export const MXFP4_BLOCK = 32;
/** Bytes of a block, without its scale. */
export const MXFP4_BLOCK_BYTES = MXFP4_BLOCK / 2;

/** What the lower three bits stand for; the fourth is the sign. */
const MAGNITUDES = [0, 0.5, 1, 1.5, 2, 3, 4, 6];

/** The bits of the bf16 of each scale and number, (256 x 16): made at the first use. */
let table: Uint16Array | undefined;

function bf16Table(): Uint16Array {
  const values = new Float32Array(256 * 16);
  for (let scale = 0; scale < 256; scale++) {
    // The last scale is not a number. Products are exact in f32 and in bf16, those below the normal numbers too.
    const factor = scale === 255 ? NaN : 2 ** (scale - 127);
    MAGNITUDES.forEach((magnitude, i) => {
      values[scale * 16 + i] = magnitude * factor;
      values[scale * 16 + 8 + i] = -magnitude * factor;
    });
  }
  return Uint16Array.from(new Uint32Array(values.buffer), (bits) => bits >>> 16);
}

/**
 * The numbers of some blocks as bf16, exactly; beyond its largest they are infinite.
 *
 * @param blocks 16 bytes each
 * @param scales one of each block
 * @param out the bits of 32 numbers of each block
 */
export function dequantizeMxfp4(blocks: Uint8Array, scales: Uint8Array, out: Uint16Array): void {
  table ??= bf16Table();
  let to = 0;
  for (let block = 0; block < scales.length; block++) {
    const row = scales[block]! * 16;
    const end = (block + 1) * MXFP4_BLOCK_BYTES;
    for (let i = block * MXFP4_BLOCK_BYTES; i < end; i++) {
      const both = blocks[i]!;
      out[to++] = table[row + (both & 15)]!;
      out[to++] = table[row + (both >> 4)]!;
    }
  }
}
