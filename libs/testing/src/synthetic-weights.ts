import { syntheticSequence } from '@esparse/laws';

/** A trained weight's size beside 1. */
const SCALE = 0.05;

/** Random weights as bits: (rows, cols), normal, of about 0.05. */
export function syntheticWeights(
  rows: number,
  cols: number,
  dtype: 'bf16' | 'f16',
  seed: number,
): Uint16Array {
  const values = syntheticSequence({ channels: cols, seqlen: rows, seed: seed + 1 }, 0);
  return Uint16Array.from(values, (value) => (dtype === 'bf16' ? bf16 : f16)(SCALE * value));
}

/** Cut, not rounded: any bits will do. */
function bf16(value: number): number {
  return new Uint32Array(Float32Array.of(value).buffer)[0]! >>> 16;
}

/** The same of a number that is neither tiny nor large; tiny ones become 0. */
function f16(value: number): number {
  const bits = new Uint32Array(Float32Array.of(value).buffer)[0]!;
  const exponent = ((bits >>> 23) & 255) - 127 + 15;
  return exponent < 1 ? 0 : ((bits >>> 16) & 0x8000) | (exponent << 10) | ((bits >>> 13) & 0x3ff);
}
