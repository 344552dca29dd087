/**
 * Rows of a sample. A ratio of norms over hundreds of outputs, ‖XW − XŴ‖ / ‖XW‖, has a standard error of 1 % of itself by 64
 * rows, 3 % at worst, where all rows are the truth: four times as many rows would halve it.
 */
export const SAMPLE_ROWS = 64;

/** A row of activations, and the number that decides whether it is in the sample. */
export interface DrawnRow {
  readonly draw: number;
  /** (channels) */
  readonly values: Float32Array;
}

export interface Sample {
  /** The rows that drew the least numbers, in their order; rows that drew the same are ordered by their bits. */
  drawn: DrawnRow[];
}

/** The number above which no row enters the sample. */
export function lastDraw({ drawn }: Sample): number {
  return drawn.length < SAMPLE_ROWS ? Infinity : drawn.at(-1)!.draw;
}

/** Puts a row where it belongs, and lets the one go that is too many. */
export function insertRow({ drawn }: Sample, row: DrawnRow): void {
  let [low, high] = [0, drawn.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (compareRows(drawn[middle]!, row) <= 0) low = middle + 1;
    else high = middle;
  }
  if (low === SAMPLE_ROWS) return;
  drawn.splice(low, 0, row);
  drawn.length = Math.min(drawn.length, SAMPLE_ROWS);
}

/** By what they drew, then by their bits: equal rows are as good as one another. */
export function compareRows(a: DrawnRow, b: DrawnRow): number {
  if (a.draw !== b.draw) return a.draw - b.draw;
  const [bitsOfA, bitsOfB] = [bitsOf(a.values), bitsOf(b.values)];
  for (let c = 0; c < bitsOfA.length; c++) {
    if (bitsOfA[c] !== bitsOfB[c]) return bitsOfA[c]! - bitsOfB[c]!;
  }
  return 0;
}

function bitsOf({ buffer, byteOffset, length }: Float32Array): Uint32Array {
  return new Uint32Array(buffer, byteOffset, length);
}
