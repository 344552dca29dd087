/** The bits of 16-bit numbers but the sign: a zero of either sign has none of them. */
const MAGNITUDE = 0x7fff;

/**
 * How many weights are not zero that a mask does not keep.
 *
 * @param weights bits of bf16 or f16
 * @param mask as long: 1 where kept
 */
export function countOutside(weights: Uint16Array, mask: Uint8Array): number {
  let count = 0;
  for (let i = 0; i < weights.length; i++) {
    if (mask[i] === 0 && (weights[i]! & MAGNITUDE) !== 0) count++;
  }
  return count;
}

/**
 * A mask in an order of channels, as packing wants it: bit i of a row is that of channel `permutation[i]`.
 *
 * @param mask (rows x cols) 1 where kept, in the original order
 * @returns (rows x ceil(cols / 8)) bytes, the lowest bit first
 */
export function inOrder(mask: Uint8Array, cols: number, permutation: Int32Array): Uint8Array {
  const rows = mask.length / cols;
  const rowBytes = Math.ceil(cols / 8);
  const bits = new Uint8Array(rows * rowBytes);
  for (let row = 0; row < rows; row++) {
    for (let i = 0; i < cols; i++) {
      const at = row * rowBytes + (i >> 3);
      if (mask[row * cols + permutation[i]!] === 1) bits[at] = bits[at]! | (1 << (i & 7));
    }
  }
  return bits;
}
