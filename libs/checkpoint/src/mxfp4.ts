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

/**
 * The two bf16 that each byte stands for with each scale, (256 x 256), the first in the lower half: made at the first use. A
 * model has few scales, whose rows stay in the processor's cache.
 */
let table: Uint32Array | undefined;

function pairsTable(): Uint32Array {
  const pairs = new Uint32Array(256 * 256);
  for (let scale = 0; scale < 256; scale++) {
    // The last scale is not a number. Products are exact in f32 and in bf16, those below the normal numbers too.
    const factor = scale === 255 ? NaN : 2 ** (scale - 127);
    const values = Float32Array.from(
      [...MAGNITUDES, ...MAGNITUDES.map((one) => -one)],
      (one) => one * factor,
    );
    // The upper half of an f32 is a bf16.
    const halves = Array.from(new Uint32Array(values.buffer), (bits) => bits >>> 16);
    for (let byte = 0; byte < 256; byte++) {
      pairs[scale * 256 + byte] = halves[byte & 15]! | (halves[byte >> 4]! << 16);
    }
  }
  return pairs;
}

/**
 * The numbers of some blocks as bf16, exactly; beyond its largest they are infinite.
 *
 * @param blocks 16 bytes each
 * @param scales one of each block
 * @param out 32 numbers of each block, two to an element
 */
export function dequantizeMxfp4(blocks: Uint8Array, scales: Uint8Array, out: Uint32Array): void {
  table ??= pairsTable();
  for (let block = 0; block < scales.length; block++) {
    const row = scales[block]! * 256;
    const end = (block + 1) * MXFP4_BLOCK_BYTES;
    for (let i = block * MXFP4_BLOCK_BYTES; i < end; i++) out[i] = table[row + blocks[i]!]!;
  }
}
