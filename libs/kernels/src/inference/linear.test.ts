import { uniform } from '@esparse/laws';
import { addon } from '../addon.ts';
import type { Linear, LinearWeights } from './linear.ts';
import { openInferenceKernels } from './inference-kernels.ts';
import { instructionSets, type InstructionSet } from './instruction-set.ts';
import { packedLayout } from '../runtime/packed-layout.ts';
import { bitsOf, denseCase, packedCase, randomInputs, type PackedCase } from '../testing/linear-cases.ts';
import { collectGarbage } from '../testing/collect-garbage.ts';
import { fusedMultiplyAdd } from './fused-multiply-add.ts';

function createLinear(
  weights: LinearWeights,
  instructionSet?: InstructionSet | 'reference',
  threads = 2,
): Linear {
  return openInferenceKernels({ instructionSet, threads }).createLinear(weights);
}

test('the native addon is the one under test, with portable code at least', () => {
  expect(addon()).not.toBeNull();
  expect(instructionSets()).toContain('portable');
});

const PATTERNS = [
  [2, 4],
  [4, 8],
  [1, 2],
  [1, 3],
  [2, 3],
  [1, 4],
  [3, 4],
  [2, 5],
  [3, 5],
  [2, 8],
  [4, 12],
  [8, 16],
  [3, 16],
  [15, 16],
] as const;
const TOKENS = [1, 2, 3, 4, 5, 7, 8, 9, 16, 17, 33, 40];

function apply(linear: Linear, x: Float32Array, tokens: number): Float32Array {
  const y = new Float32Array(tokens * linear.rows).fill(NaN);
  linear.apply(x, tokens, y);
  return y;
}

function expectSameBits(
  weights: LinearWeights,
  set: (typeof SETS)[number],
  tokens: number,
  odd: boolean,
): void {
  const x = randomInputs(tokens * weights.cols, odd, uniform(tokens));
  const expected = bitsOf(apply(createLinear(weights, 'reference'), x, tokens));
  const y = bitsOf(apply(createLinear(weights, set), x, tokens));
  const wrong = y.findIndex((bits, i) => bits !== expected[i]);
  const at = { token: Math.floor(wrong / weights.rows), row: wrong % weights.rows };
  if (wrong !== -1)
    expect({ tokens, ...at, bits: y[wrong] }).toEqual({ tokens, ...at, bits: expected[wrong] });
}

const SETS = instructionSets();

describe.each(SETS)('%s', (set) => {
  test.each(PATTERNS)('%i:%i gives the bits of the reference, on any shape and input', (keep, group) => {
    const random = uniform(keep * 100 + group);
    for (const [n, tokens] of TOKENS.entries()) {
      const input: PackedCase = {
        rows: 1 + Math.floor(random() * 70),
        groups: 1 + Math.floor(random() * 12),
        keep,
        group,
        dtype: n % 3 === 0 ? 'f16' : 'bf16',
        shuffled: n % 2 === 0,
        biased: n % 4 < 2,
        odd: n % 3 === 1,
        seed: n,
      };
      expectSameBits(packedCase(input), set, tokens, input.odd);
    }
  });

  test.each(['bf16', 'f16', 'f32'] as const)('dense %s gives the bits of the reference', (dtype) => {
    const random = uniform(dtype.length);
    for (const [n, tokens] of TOKENS.entries()) {
      const rows = 1 + Math.floor(random() * 30);
      const cols = 1 + Math.floor(random() * 90);
      const odd = n % 3 === 1;
      expectSameBits(denseCase({ rows, cols, dtype, biased: n % 4 < 2, odd, seed: n }), set, tokens, odd);
    }
  });

  test('sums that are carried over from one chunk of inputs to the next are the same', () => {
    for (const [keep, group] of [
      [2, 4],
      [4, 8],
    ] as const) {
      const input = { rows: 40, groups: 1024 / group, keep, group, dtype: 'bf16' as const, seed: 1 };
      const weights = packedCase({ ...input, shuffled: true, biased: true, odd: false });
      expectSameBits(weights, set, 70, false);
    }
  });
});

test.each(SETS)(
  'on %s a token has the same bits alone, in any batch, at any place, on any number of threads',
  (set) => {
    const shape = {
      rows: 300,
      groups: 40,
      shuffled: true,
      biased: true,
      odd: false,
      dtype: 'bf16' as const,
      seed: 5,
    };
    for (const weights of [
      packedCase({ ...shape, keep: 2, group: 4 }),
      packedCase({ ...shape, keep: 4, group: 8 }),
      packedCase({ ...shape, keep: 2, group: 5 }),
      denseCase({ rows: 300, cols: 200, dtype: 'bf16', biased: true, odd: false, seed: 5 }),
    ]) {
      const { rows, cols } = weights;
      const linear = createLinear(weights, set);
      const x = randomInputs(37 * cols, false, uniform(9));
      const alone = Array.from({ length: 37 }, (_, t) =>
        bitsOf(apply(linear, x.subarray(t * cols, (t + 1) * cols), 1)),
      );
      for (const [threads, tokens] of [
        [1, 37],
        [2, 37],
        [3, 16],
        [2, 5],
        [7, 11],
        [1, 2],
      ] as const) {
        const first = 37 - tokens;
        const y = bitsOf(apply(createLinear(weights, set, threads), x.subarray(first * cols), tokens));
        for (let t = 0; t < tokens; t++) {
          expect(y.subarray(t * rows, (t + 1) * rows)).toEqual(alone[first + t]);
        }
      }
    }
  },
);

test.each([...SETS, 'reference' as const])('on %s an input that every row pruned may be infinite', (set) => {
  const weights = packedCase({
    rows: 16,
    groups: 1,
    keep: 2,
    group: 4,
    dtype: 'bf16',
    shuffled: false,
    biased: false,
    odd: false,
    seed: 1,
  });
  // Every row keeps positions 0 and 1.
  const indices = Uint8Array.from({ length: 8 }, (_, i) => (i < 4 ? 0 : 0x55));
  const y = apply(createLinear({ ...weights, indices }, set), Float32Array.of(1, 1, Infinity, NaN), 1);
  expect(y.every(Number.isFinite)).toBe(true);
});

describe.each([...SETS, 'reference' as const])('what a store may hand to %s is refused:', (set) => {
  const shape = {
    rows: 40,
    groups: 3,
    dtype: 'bf16' as const,
    shuffled: true,
    biased: true,
    odd: false,
    seed: 3,
  };
  const good = packedCase({ ...shape, keep: 2, group: 4 });
  const refused = (weights: LinearWeights, message: string) => {
    expect(() => createLinear(weights, set)).toThrow(
      expect.objectContaining({ kind: 'store', message: expect.stringContaining(message) }),
    );
  };

  test('arrays of another length than the shape says', () => {
    refused({ ...good, values: good.values.subarray(1) }, 'values has');
    refused({ ...good, indices: good.indices.subarray(1) }, 'indices has');
    refused({ ...good, bias: new Float32Array(39) }, 'bias has');
    refused({ ...good, permutation: new Int32Array(11) }, 'permutation has');
    refused({ ...good, rows: 0 }, 'rows is 0');
    refused({ ...good, cols: 13 }, 'not a multiple');
    refused({ ...good, keep: 4 }, 'no pattern');
    refused({ kind: 'dense', dtype: 'bf16', rows: 2, cols: 2, weights: new Uint16Array(3) }, 'weights has');
  });

  test('a permutation that names an input twice, or none', () => {
    refused({ ...good, permutation: good.permutation!.with(3, good.permutation![4]!) }, 'twice');
    refused({ ...good, permutation: good.permutation!.with(3, 12) }, 'names input 12');
    refused({ ...good, permutation: good.permutation!.with(3, -1) }, 'names input -1');
  });

  test.each(PATTERNS)(
    'indices of %i:%i that are no choice in ascending order, with the place',
    (keep, group) => {
      const weights = packedCase({ ...shape, keep, group });
      const { bits, groups, groupBytes } = packedLayout(weights.rows, weights.cols, keep, group);
      const at = (groups + 1) * groupBytes;
      // A row that keeps one position more than it should; one that keeps the last position in every slot.
      const damaged = weights.indices.slice();
      if (bits === 0) damaged.fill(0xff, at, at + 2);
      if (bits === 0 && Buffer.compare(damaged, weights.indices) === 0) damaged.fill(0, at, at + 2);
      if (bits > 0) damaged.fill(0xff, at, at + groupBytes);
      if (bits > 0 && keep === 1 && group === 2 ** bits) {
        // Any position of any row is a choice.
        expect(() => createLinear({ ...weights, indices: damaged }, set)).not.toThrow();
      } else {
        refused({ ...weights, indices: damaged }, 'tile 1, group 1');
      }
    },
  );
});

test('applying to arrays of another length is refused', () => {
  const linear = createLinear(
    denseCase({ rows: 3, cols: 5, dtype: 'f32', biased: false, odd: false, seed: 1 }),
  );
  const [x, y] = [new Float32Array(10), new Float32Array(6)];
  expect(() => {
    linear.apply(x, 2, y);
  }).not.toThrow();
  for (const [inputs, tokens, outputs] of [
    [x, 3, y],
    [x.subarray(1), 2, y],
    [x, 2, y.subarray(1)],
    [x, 0, y],
  ] as const) {
    expect(() => {
      linear.apply(inputs, tokens, outputs);
    }).toThrow();
  }
});

test('a linear has its weights as long as it can be applied, whoever else lets go of them', async () => {
  const made = (): { apply: Linear['apply']; weights: WeakRef<Float32Array> } => {
    const weights = new Float32Array(512 * 512).fill(0.5);
    const linear = createLinear({ kind: 'dense', rows: 512, cols: 512, dtype: 'f32', weights });
    return { apply: linear.apply.bind(undefined), weights: new WeakRef(weights) };
  };
  const { apply, weights } = made();
  await collectGarbage();
  expect(weights.deref()).toBeDefined();
  const y = new Float32Array(512);
  apply(new Float32Array(512).fill(1), 1, y);
  expect(new Set(y)).toEqual(new Set([256]));
});

test('a fused multiply-add rounds once', () => {
  // 1 + 2^-23 + 2^-46, to be rounded after adding 2^-24 (a tie but for the last term).
  const a = Math.fround(1 + 2 ** -23);
  expect(fusedMultiplyAdd(a, a, 0)).toBe(Math.fround(1 + 2 ** -22));
  expect(fusedMultiplyAdd(2 ** -24, 1, 1)).toBe(1);
  // A tie to even by itself: the far smaller product must tip it.
  expect(fusedMultiplyAdd(2 ** -80, 2 ** -20, Math.fround(1))).toBe(1);
  const tip = Math.fround(1 + 2 ** -12);
  expect(fusedMultiplyAdd(tip, tip, 2 ** 26)).toBe(2 ** 26);
  expect(fusedMultiplyAdd(Math.fround(4 + 2 ** -20), 1, 2 ** 26)).toBe(2 ** 26 + 8);
  expect(fusedMultiplyAdd(Infinity, 0, 1)).toBeNaN();
});
