import fc from 'fast-check';
import { compileEmulation } from './testing/emulation.ts';
import { numbers } from './testing/numbers.ts';

const linear = compileEmulation('prefill_linear', true, 80);
const attention = compileEmulation('prefill_attention', true, 80);
afterAll(() => {
  linear.remove();
  attention.remove();
});

const TILE_ROWS = 16;
const GROUP = 4;
/** The choices of two of four. */
const PAIRS = [
  [0, 1],
  [0, 2],
  [0, 3],
  [1, 2],
  [1, 3],
  [2, 3],
] as const;

/** Numbers of bf16. */
const valuesOf = (bits: Uint16Array) => new Float32Array(Uint32Array.from(bits, (of) => of << 16).buffer);
/** From 2^-7 to 2, of either sign, in bf16. */
const some = (next: (below: number) => number) => (next(2) << 15) | (0x3c00 + next(0x400));

interface Case {
  readonly rows: number;
  readonly cols: number;
  readonly tokens: number;
  readonly paired: boolean;
  readonly seed: number;
}

const cases: fc.Arbitrary<Case> = fc
  .record({
    eights: fc.integer({ min: 1, max: 40 }),
    blocks: fc.integer({ min: 1, max: 7 }),
    tokens: fc.integer({ min: 1, max: 150 }),
    paired: fc.boolean(),
    seed: fc.nat(),
  })
  .map(({ eights, blocks, ...rest }) => ({ ...rest, rows: 8 * eights, cols: 128 * blocks }));

/** A matrix as the store has it, and its weights (rows x cols). */
function matrix(sparse: boolean, { rows, cols }: Case, next: (below: number) => number) {
  const tiles = Math.ceil(rows / TILE_ROWS);
  const weights = new Float64Array(rows * cols);
  if (!sparse) {
    const values = Uint16Array.from({ length: rows * cols }, () => some(next));
    return { values, indices: new Uint32Array(), weights: Float64Array.from(valuesOf(values)) };
  }
  const values = new Uint16Array((tiles * TILE_ROWS * cols) / 2);
  const indices = new Uint32Array((tiles * cols * 2) / GROUP);
  for (let i = 0; i < values.length; i++) values[i] = some(next);
  const numbersOf = valuesOf(values);
  for (let tile = 0; tile < tiles; tile++) {
    for (let group = 0; group < cols / GROUP; group++) {
      const at = tile * (cols / GROUP) + group;
      for (let row = 0; row < TILE_ROWS; row++) {
        for (const [slot, position] of PAIRS[next(PAIRS.length)]!.entries()) {
          indices[2 * at + slot]! |= position << (2 * row);
          const of = tile * TILE_ROWS + row;
          if (of < rows)
            weights[of * cols + GROUP * group + position] = numbersOf[(2 * at + slot) * TILE_ROWS + row]!;
        }
      }
    }
  }
  return { values, indices, weights };
}

const OUTPUTS = {
  rows: (sum: number) => sum,
  added: (sum: number, before: number) => before + sum,
  gated: (sum: number, gate: number) => (gate / (1 + Math.exp(-gate))) * sum,
} as const;
type Output = keyof typeof OUTPUTS;

const bytesOf = (arrays: readonly NodeJS.TypedArray[]) =>
  Buffer.concat(arrays.map((part) => new Uint8Array(part.buffer, part.byteOffset, part.byteLength)));

describe.each(['sparse', 'dense'])('linears of prompts by products of warps, %s', (kind) => {
  test.each(Object.keys(OUTPUTS) as Output[])('give what f64 gives in every tile: %s', (output) => {
    fc.assert(
      fc.property(cases, (shape) => {
        const { rows, cols, tokens, paired, seed } = shape;
        const next = numbers(seed);
        const { values, indices, weights } = matrix(kind === 'sparse', shape, next);
        const x = Uint16Array.from({ length: tokens * cols }, () => some(next));
        const before = Uint16Array.from({ length: tokens * 2 * rows }, () => some(next));
        const [xs, was] = [valuesOf(x), valuesOf(before)];
        const head = Int32Array.from([rows, cols, tokens, paired ? 1 : 0]);
        const { status, stdout } = linear.run([kind, output], bytesOf([head, values, indices, x, before]));
        expect(status).toBe(0);
        const all = new Float32Array(new Uint8Array(stdout).buffer);
        const first = all.subarray(0, before.length);
        let [error, size] = [0, 0];
        for (let token = 0; token < tokens; token++) {
          for (let row = 0; row < rows; row++) {
            let [sum, products] = [0, 0];
            for (let c = 0; c < cols; c++) {
              const product = weights[row * cols + c]! * xs[token * cols + c]!;
              sum += product;
              products += product ** 2;
            }
            for (const sign of [1, -1]) {
              const at = token * 2 * rows + (sign === 1 ? row : rows + row);
              error += (first[at]! - OUTPUTS[output](sign * sum, was[at]!)) ** 2;
              size += products * (output === 'gated' ? OUTPUTS.gated(1, was[at]!) ** 2 : 1);
            }
          }
        }
        // Rows are rounded to bf16, and what they are multiplied with is, too, by up to 2^-9 each time; a sum, where there are few, may
        // be some times the root of its products' squares. What is added is f32.
        expect(Math.sqrt(error / size)).toBeLessThan(output === 'added' ? 1e-5 : 2e-2);
        const wanted = Buffer.from(first.buffer, 0, first.byteLength);
        expect(all.length).toBe(6 * first.length);
        for (let at = 0; at < all.length; at += first.length) {
          expect(Buffer.from(all.buffer, 4 * at, first.byteLength).equals(wanted)).toBe(true);
        }
      }),
      { numRuns: 8 },
    );
  });
});

test('attention of prompts by products of warps is that of f64, wherever a prompt is cut', () => {
  const heads = fc.constantFrom([1, 1], [4, 2], [6, 2], [2, 2]);
  const attentions = fc.record({
    heads,
    dims: fc.constantFrom(64, 128),
    window: fc.oneof(fc.constantFrom(0, 1), fc.integer({ min: 2, max: 300 })),
    first: fc.integer({ min: 0, max: 300 }),
    count: fc.integer({ min: 2, max: 280 }),
    part: fc.double({ min: 0, max: 1, noNaN: true }),
    seed: fc.nat(),
  });
  fc.assert(
    fc.property(attentions, ({ heads: [all, keys], dims, window, first, count, part, seed }) => {
      const cut = Math.min(count - 1, Math.max(1, Math.floor(part * count)));
      const args = [all, keys, dims, window, first, count, cut, seed];
      const { status, stdout } = attention.run(args.map(String), new Uint8Array());
      expect(status).toBe(0);
      expect(Number(stdout.toString())).toBeLessThan(4e-3);
    }),
    { numRuns: 16 },
  );
});
