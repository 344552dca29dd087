import fc from 'fast-check';
import { dealtOrder, linearCases, showLinear, type LinearCase } from './linear-cases.ts';
import { maskBytes, maskOfLargest } from './masks.ts';

/** A block of a few linears, one tensor beside them, and hidden states. */
export interface BlockCase {
  readonly linears: readonly LinearCase[];
  /** The values of a norm: (HIDDEN). */
  readonly norm: readonly number[];
  /** What goes in, and what the dense block makes of it in either model: three of (sequences x SEQLEN x HIDDEN). */
  readonly states: readonly number[];
  readonly sequences: number;
}

export const SEQLEN = 3;
export const HIDDEN = 4;
/** The chains of states around a block. */
const CHAINS = 3;

const ACTIVATION = fc.float({ noNaN: true, min: -4, max: 4 });

/** Blocks of one to three linears. */
export const blockCases: fc.Arbitrary<BlockCase> = fc.integer({ min: 1, max: 4 }).chain((sequences) => {
  const length = CHAINS * sequences * SEQLEN * HIDDEN;
  return fc.record({
    linears: fc.array(linearCases, { minLength: 1, maxLength: 3 }),
    norm: fc.array(ACTIVATION, { minLength: HIDDEN, maxLength: HIDDEN }),
    states: fc.array(ACTIVATION, { minLength: length, maxLength: length }),
    sequences: fc.constant(sequences),
  });
});

/** 1 where a weight of the linear survives: (rows, cols) in the original order. */
export function keptOf(linear: LinearCase): Uint8Array {
  const { rows, cols, pattern, draws } = linear;
  const order = dealtOrder(linear);
  const mask = maskOfLargest(draws, rows, cols, pattern);
  const kept = new Uint8Array(rows * cols);
  for (let row = 0; row < rows; row++) {
    for (let i = 0; i < cols; i++) {
      kept[row * cols + order[i]!] = (mask[row * maskBytes(cols) + (i >> 3)]! >> (i & 7)) & 1;
    }
  }
  return kept;
}

/** One of the three chains of states, of one sequence. */
export function statesOf({ states, sequences }: BlockCase, chain: number, sequence: number): Float32Array {
  const size = SEQLEN * HIDDEN;
  const first = (chain * sequences + sequence) * size;
  return Float32Array.from(states.slice(first, first + size));
}

/** A case in words: its numbers are many. */
export function showBlock({ linears, sequences }: BlockCase): string {
  return `a block of ${linears.map(showLinear).join('; ')}; ${sequences} sequences of hidden states`;
}
