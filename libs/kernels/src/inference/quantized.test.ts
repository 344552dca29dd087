import { uniform } from '@esparse/laws';
import { bitsOf, quantizedCase, randomInputs, type QuantizedCase } from '../testing/linear-cases.ts';
import { openInferenceKernels } from './inference-kernels.ts';
import { instructionSets, type InstructionSet } from './instruction-set.ts';
import type { LinearWeights } from './linear.ts';
import { fusedMultiplyAdd } from './fused-multiply-add.ts';

const SETS = instructionSets();
const PATTERNS = [
  [2, 4],
  [1, 1],
  [4, 8],
  [1, 2],
  [1, 3],
  [2, 3],
  [1, 4],
  [3, 4],
  [3, 5],
  [6, 7],
  [8, 16],
  [3, 16],
] as const;
const TOKENS = [1, 2, 3, 5, 8, 9, 17, 40];

function apply(
  weights: LinearWeights,
  set: InstructionSet | 'reference',
  x: Float32Array,
  tokens: number,
  threads = 2,
): Uint32Array {
  const y = new Float32Array(tokens * weights.rows).fill(NaN);
  openInferenceKernels({ instructionSet: set, threads }).createLinear(weights).apply(x, tokens, y);
  return bitsOf(y);
}

describe.each(SETS)('%s', (set) => {
  test.each(PATTERNS)(
    'quantized %i:%i gives the bits of the reference, on any shape and input',
    (keep, group) => {
      const random = uniform(keep * 100 + group);
      for (const [n, tokens] of TOKENS.entries()) {
        const input: QuantizedCase = {
          rows: 1 + Math.floor(random() * 150),
          groups: 1 + Math.floor(random() * 50),
          ...{ keep, group, bits: ([8, 4, 3] as const)[n % 3]!, survivors: [32, 16, 7, 512][n % 4]! },
          ...{ shuffled: group > 1 && n % 3 < 2, biased: n % 4 < 2, seed: n },
        };
        const weights = quantizedCase(input);
        const x = randomInputs(tokens * weights.cols, n === 3, random);
        expect({ input, y: apply(weights, set, x, tokens) }).toEqual({
          input,
          y: apply(weights, 'reference', x, tokens),
        });
      }
    },
  );

  test('a token has the same bits alone, in any batch, at any place, on any number of threads', () => {
    for (const [keep, group] of [
      [2, 4],
      [1, 1],
      [4, 8],
    ] as const) {
      for (const bits of [3, 4, 8] as const) {
        const shape = { rows: 300, groups: 40, keep, group, shuffled: group > 1, biased: true, seed: 5 };
        const weights = quantizedCase({ ...shape, bits, survivors: 32 });
        const { rows, cols } = weights;
        const x = randomInputs(37 * cols, false, uniform(9));
        const alone = Array.from({ length: 37 }, (_, t) =>
          apply(weights, set, x.subarray(t * cols, (t + 1) * cols), 1),
        );
        for (const [threads, tokens] of [
          [1, 37],
          [3, 16],
          [2, 5],
          [1, 2],
        ] as const) {
          const first = 37 - tokens;
          const y = apply(weights, set, x.subarray(first * cols), tokens, threads);
          for (let t = 0; t < tokens; t++) {
            expect(y.subarray(t * rows, (t + 1) * rows)).toEqual(alone[first + t]);
          }
        }
      }
    }
  });
});

test('outputs are those of the weights that the codes stand for, within the rounding of inputs to 16 bits', () => {
  // One row: 1, -3 and -2, 7 times 0.5, at positions 0, 3 and 1, 2; one pair of groups.
  const weights: LinearWeights = {
    kind: 'quantized',
    ...{ rows: 1, cols: 8, keep: 2, group: 4, bits: 4, span: 16 },
    codes: new Uint8Array(128),
    scales: new Uint16Array(16).fill(0x3f00),
    indices: new Uint8Array(64),
  };
  weights.codes.set([1, 0xd, 0xe, 7]);
  weights.indices!.set([0, 3, 1, 2]);
  const x = Float32Array.of(0.5, 100, 100, -0.25, 100, 2, -4, 100);
  const y = new Float32Array(1);
  openInferenceKernels({ instructionSet: 'reference' }).createLinear(weights).apply(x, 1, y);
  expect(y[0]).toBeCloseTo(0.5 * (0.5 - 3 * -0.25 + -2 * 2 + 7 * -4), 1);
  expect(fusedMultiplyAdd(1, 1, 0)).toBe(1);
});

test('of 3 bits the lower two lie as positions of 2:4 do, and signs in a vector of their own', () => {
  // Survivors 0, 5, 16 and 31 of one row: 3, -4, -1 and 1, times 2; all others 0.
  const weights: LinearWeights = {
    kind: 'quantized',
    ...{ rows: 1, cols: 64, keep: 2, group: 4, bits: 3, span: 16 },
    codes: new Uint8Array(192),
    scales: new Uint16Array(16).fill(0x4000),
    // Each group keeps its first two.
    indices: new Uint8Array(128).map((_, at) => (at % 2 === 1 && at % 64 < 4 ? 0x55 : 0)),
  };
  weights.codes[0] = 3;
  weights.codes[128 + 1] = 1 << 1;
  weights.codes[64] = 3;
  weights.codes[128]! |= 1 << 4;
  weights.codes[64 + 3] = 1 << 6;
  for (const set of [...SETS, 'reference' as const]) {
    const y = (x: Float32Array) => {
      const out = new Float32Array(1);
      openInferenceKernels({ instructionSet: set }).createLinear(weights).apply(x, 1, out);
      return out[0]!;
    };
    // Survivor n is input 2 n - n % 2.
    const one = (survivor: number) =>
      Float32Array.from({ length: 64 }, (_, i) => (i === 2 * survivor - (survivor % 2) ? 1 : 0));
    expect([0, 1, 5, 16, 31].map((survivor) => Math.round(1000 * y(one(survivor))) / 1000)).toEqual([
      6, 0, -8, -2, 2,
    ]);
  }
});

describe.each([...SETS, 'reference' as const])('what a store may hand to %s is refused:', (set) => {
  const shape = { rows: 40, groups: 16, keep: 2, group: 4, shuffled: true, biased: true, seed: 3 };
  const good = quantizedCase({ ...shape, bits: 4, survivors: 8 });
  const refused = (weights: LinearWeights, message: string) => {
    expect(() => openInferenceKernels({ instructionSet: set }).createLinear(weights)).toThrow(
      expect.objectContaining({ kind: 'store', message: expect.stringContaining(message) }),
    );
  };

  test('arrays of another length than the shape says', () => {
    refused({ ...good, codes: good.codes.subarray(1) }, 'codes has');
    refused({ ...good, scales: good.scales.subarray(1) }, 'scales has');
    refused({ ...good, indices: undefined }, 'indices has');
    refused({ ...good, bits: 8 }, 'codes has');
    refused({ ...good, keep: 1, group: 1 }, 'codes has');
  });

  test.each([0, 1.5, 257, NaN])('a span of %d groups', (span) => {
    refused({ ...good, span }, 'a scale for every');
  });

  test.each([
    ['zero', 0x8000],
    ['infinite', 0x7f80],
    ['no number', 0x7fc0],
  ])('a scale that is %s, with the place', (_, bits) => {
    refused(
      { ...good, scales: good.scales.with(16 * 4 + 16 + 3, bits) },
      'row 19, span 1 is zero or not finite',
    );
  });

  test('indices that are no choice, with the place', () => {
    // The second group of row 3: twice the same position.
    refused({ ...good, indices: good.indices!.slice().fill(0xff, 4 * 3 + 2, 4 * 3 + 4) }, 'tile 0, group 1');
    const ofMasks = { ...shape, keep: 4, group: 8, bits: 8, survivors: 8 } as const;
    const masks = quantizedCase(ofMasks);
    refused({ ...masks, indices: masks.indices!.with(16 * 16 + 2 * 16 + 5, 0x1f) }, 'tile 1, group 2');
    // Of 40 rows the last tile has eight: nobody looks at what fills it up.
    const unused = { ...masks, indices: masks.indices!.with(2 * 16 * 16 + 9, 0xff) };
    expect(() => openInferenceKernels({ instructionSet: set }).createLinear(unused)).not.toThrow();
  });
});
