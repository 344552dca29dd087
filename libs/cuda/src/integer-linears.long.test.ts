import { indicesOf, putNumber, quantizedLayout, scaleAt, TILE_ROWS, VECTOR_BYTES } from '@esparse/kernels';
import fc from 'fast-check';
import { compileEmulation } from './testing/emulation.ts';
import { numbers, shuffled } from './testing/numbers.ts';

const kernels = compileEmulation('linear_kernels', true);
const beforeHopper = compileEmulation('linear_kernels', true, 80);
afterAll(() => {
  kernels.remove();
  beforeHopper.remove();
});

/** A way to store integers, as the kernels call it: a scale for so many survivors at least. */
const KINDS = {
  sparse8: { keep: 2, group: 4, bits: 8, block: 128, spans: 32 },
  sparse4: { keep: 2, group: 4, bits: 4, block: 128, spans: 32 },
  'sparse4-fine': { keep: 2, group: 4, bits: 4, block: 128, spans: 16 },
  dense8: { keep: 1, group: 1, bits: 8, block: 64, spans: 32 },
  dense4: { keep: 1, group: 1, bits: 4, block: 64, spans: 32 },
} as const;
type Kind = keyof typeof KINDS;

interface Case {
  readonly rows: number;
  /** Of the store, and filled up. */
  readonly cols: number;
  readonly filled: number;
  /** Scales are for `spans` times as many survivors. */
  readonly wider: number;
  readonly ordered: boolean;
  readonly seed: number;
}

const cases = (kind: Kind): fc.Arbitrary<Case> =>
  fc
    .record({
      rows: fc.integer({ min: 1, max: 70 }),
      blocks: fc.integer({ min: 1, max: 11 }),
      missing: fc.integer({ min: 0, max: 7 }).map((groups) => 4 * groups),
      wider: fc.constantFrom(1, 1, 2, 3),
      ordered: fc.boolean(),
      seed: fc.nat(),
    })
    .map(({ blocks, missing, ...rest }) => {
      const filled = blocks * KINDS[kind].block;
      return { ...rest, filled, cols: filled - missing };
    });

const widened = (bits: number) => new Float32Array(new Uint32Array([bits << 16]).buffer)[0]!;

/** A matrix as the store has it, and its weights (rows x cols) in their shuffled order. */
function matrix(kind: Kind, { rows, cols, wider, seed }: Case) {
  const { keep, group, bits, spans: least } = KINDS[kind];
  const next = numbers(seed);
  const span = (least * wider) / keep;
  const shape = { rows, cols, keep, group, bits, span };
  const layout = quantizedLayout(shape);
  const survivors = layout.groups * keep;
  const codes = new Uint8Array(layout.tiles * layout.vectors * VECTOR_BYTES);
  const scales = new Uint16Array(layout.tiles * layout.spans * TILE_ROWS).fill(0x3f80);
  const positions = new Int32Array(rows * survivors);
  const weights = new Float64Array(rows * cols);
  for (let r = 0; r < rows; r++) {
    // From 2^-7 to 2, of either sign.
    for (let s = 0; s < layout.spans; s++) {
      scales[scaleAt(layout, r, s)] = 0x3c00 + next(0x3ff) + (next(4) === 0 ? 0x8000 : 0);
    }
    for (let n = 0; n < survivors; n++) {
      const g = Math.floor(n / keep);
      const at = r * survivors + n;
      if (group === 1) positions[at] = n;
      else if (n % 2 === 0) positions[at] = g * 4 + next(3);
      else positions[at] = positions[at - 1]! + 1 + next(3 - (positions[at - 1]! % 4));
      const integer = bits === 8 ? next(255) - 127 : next(16) - 8;
      putNumber(codes, layout, bits, { row: r, survivor: n, integer });
      const scale = widened(scales[scaleAt(layout, r, Math.floor(g / span))]!);
      weights[r * cols + positions[at]] = integer * scale;
    }
  }
  const indices = group === 1 ? new Uint8Array() : indicesOf(shape, positions)!;
  return { layout, survivors, span: span * keep, codes, scales, indices, weights, next };
}

type Stored = ReturnType<typeof matrix>;

function run(
  kind: Kind,
  shape: Case,
  stored: Stored,
  tokens: number,
  x: Float32Array,
  order?: Int32Array,
  by = kernels,
) {
  const { survivors, span, layout } = stored;
  const head = [
    shape.rows,
    shape.filled,
    tokens,
    order ? 1 : 0,
    survivors,
    span,
    layout.vectors,
    layout.spans,
  ];
  const { codes, scales, indices } = stored;
  const arrays = [Int32Array.from(head), codes, scales, indices, ...(order ? [order] : []), x];
  const bytes = arrays.map((part) => new Uint8Array(part.buffer, part.byteOffset, part.byteLength));
  return by.run([kind], Buffer.concat(bytes));
}

/** Outputs of each way, [way][tokens * rows]. */
function outputs(stdout: Buffer, count: number): Float32Array[] {
  const all = new Float32Array(new Uint8Array(stdout).buffer);
  return Array.from({ length: all.length / count }, (_, i) => all.subarray(i * count, (i + 1) * count));
}

const activations = (stored: Stored, count: number) =>
  Float32Array.from({ length: count }, () => (stored.next(65535) - 32767) / 4096);

describe.each(Object.keys(KINDS) as Kind[])('integers, %s', (kind) => {
  test('repacked and multiplied, they give what f64 gives, whatever the number of tokens and the way', () => {
    fc.assert(
      fc.property(cases(kind), fc.constantFrom(1, 2, 4, 8, 16, 32, 64), (shape, tokens) => {
        const stored = matrix(kind, shape);
        const order = shape.ordered ? shuffled(stored.next, shape.rows) : undefined;
        const { rows, cols, filled } = shape;
        const x = activations(stored, tokens * filled);
        const { status, stdout } = run(kind, shape, stored, tokens, x, order);
        expect(status).toBe(0);
        const [first, ...others] = outputs(stdout, tokens * rows);
        let [error, size] = [0, 0];
        for (let i = 0; i < tokens * rows; i++) {
          const [token, row] = [Math.floor(i / rows), order?.[i % rows] ?? i % rows];
          let sum = 0;
          for (let c = 0; c < cols; c++) {
            const product = stored.weights[row * cols + c]! * x[token * filled + c]!;
            sum += product;
            size += product ** 2;
          }
          error += (first![i]! - sum) ** 2;
        }
        // Activations are rounded to 2^-15 of the greatest of 32 or 64 at most; an output may be a small difference of large sums.
        expect(Math.sqrt(error / size)).toBeLessThan(1e-4);
        for (const other of others) expect(other).toEqual(first);
      }),
      { numRuns: 12 },
    );
  });

  test('a token has the same bits alone, in any batch and before Hopper', () => {
    const shape = {
      rows: 45,
      cols: 7 * KINDS[kind].block,
      filled: 7 * KINDS[kind].block,
      wider: 1,
      ordered: false,
    };
    const stored = matrix(kind, { ...shape, seed: 5 });
    const x = activations(stored, 64 * shape.filled);
    const given = (tokens: number, first = 0, by = kernels) => {
      const some = x.subarray(first * shape.filled, (first + tokens) * shape.filled);
      const { stdout } = run(kind, { ...shape, seed: 5 }, stored, tokens, some, undefined, by);
      return outputs(stdout, tokens * shape.rows);
    };
    const [all] = given(64);
    for (const tokens of [1, 4, 16, 32, 64]) {
      for (const way of given(tokens, 0, beforeHopper)) {
        expect(way).toEqual(all!.subarray(0, tokens * shape.rows));
      }
    }
    for (const tokens of [1, 2, 4, 8, 16, 32]) {
      for (const first of [0, 64 - tokens]) {
        const ways = given(tokens, first);
        expect(ways.length).toBeGreaterThan(1);
        for (const way of ways) {
          expect(way).toEqual(all!.subarray(first * shape.rows, (first + tokens) * shape.rows));
        }
      }
    }
  });

  test('a scale that is zero or no finite number is found, the first of several', () => {
    fc.assert(
      fc.property(
        cases(kind),
        fc.nat(),
        fc.constantFrom(0, 0x8000, 0x7f80, 0xff80, 0x7fc0),
        (shape, at, bits) => {
          const stored = matrix(kind, shape);
          const { spans } = stored.layout;
          const first = at % (shape.rows * spans);
          for (const wrong of [first, shape.rows * spans - 1]) {
            stored.scales[scaleAt(stored.layout, Math.floor(wrong / spans), wrong % spans)] = bits;
          }
          const { status, stdout } = run(kind, shape, stored, 1, new Float32Array(shape.filled));
          expect([status, stdout.toString()]).toEqual([4, String(first)]);
        },
      ),
      { numRuns: 8 },
    );
  });
});

test('positions that do not ascend are found, wherever they are, but not where there are no survivors', () => {
  fc.assert(
    fc.property(cases('sparse4'), fc.nat(), (shape, at) => {
      const stored = matrix('sparse4', shape);
      const { groups } = stored.layout;
      const [row, group] = [at % shape.rows, Math.floor(at / 71) % groups];
      const sixteens = Math.ceil(stored.survivors / 16);
      const word = (Math.floor(row / TILE_ROWS) * sixteens + (group >> 3)) * TILE_ROWS + (row % TILE_ROWS);
      const words = new Uint32Array(stored.indices.buffer);
      const byte = 8 * ((2 * group) & 3);
      // Both at the same place.
      const mask = 3 << (2 * ((group & 7) >> 1));
      const place = (words[word]! >>> byte) & mask;
      words[word] = (words[word]! & ~(mask << (byte + 8))) | (place << (byte + 8));
      const { status, stdout } = run('sparse4', shape, stored, 1, new Float32Array(shape.filled));
      const tile = Math.floor(row / TILE_ROWS);
      expect([status, stdout.toString()]).toEqual([3, String(tile * groups + group)]);
    }),
    { numRuns: 20 },
  );
});
