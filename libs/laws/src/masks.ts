import type { LawPattern } from './linear-cases.ts';

/** Bytes of one row's mask. */
export function maskBytes(cols: number): number {
  return Math.ceil(cols / 8);
}

/** The mask that keeps the largest values of each group: bit i & 7 of byte row * maskBytes + (i >> 3). */
export function maskOfLargest(
  values: readonly number[],
  rows: number,
  cols: number,
  { keep, group }: LawPattern,
): Uint8Array {
  const mask = new Uint8Array(rows * maskBytes(cols));
  for (let row = 0; row < rows; row++) {
    for (let first = 0; first < cols; first += group) {
      const members = Array.from({ length: group }, (_, i) => first + i);
      members.sort((a, b) => values[row * cols + b]! - values[row * cols + a]! || a - b);
      for (const i of members.slice(0, keep)) {
        const at = row * maskBytes(cols) + (i >> 3);
        mask[at] = mask[at]! | (1 << (i & 7));
      }
    }
  }
  return mask;
}

/** The first row and group that do not keep as many as the pattern says, in words. */
export function whereNotPattern(
  mask: Uint8Array,
  rows: number,
  cols: number,
  { keep, group }: LawPattern,
): string | undefined {
  for (let row = 0; row < rows; row++) {
    for (let first = 0; first < cols; first += group) {
      let kept = 0;
      for (let i = first; i < first + group; i++) {
        kept += (mask[row * maskBytes(cols) + (i >> 3)]! >> (i & 7)) & 1;
      }
      if (kept !== keep) return `row ${row}, group ${first / group}: ${kept} of ${group} are kept`;
    }
  }
  return undefined;
}
