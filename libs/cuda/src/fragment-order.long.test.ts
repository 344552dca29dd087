import { maskOf, pack, unpack } from '@esparse/kernels';
import fc from 'fast-check';
import { compileEmulation } from './testing/emulation.ts';
import { numbers, shuffled } from './testing/numbers.ts';

const linear = compileEmulation('linear');
afterAll(() => {
  linear.remove();
});

interface Case {
  readonly rows: number;
  readonly cols: number;
  readonly tokens: number;
  readonly ordered: boolean;
  readonly seed: number;
}

/** Matrices of whole blocks of inputs, rows that fill their last tile and panel or do not. */
const cases = (blockInputs: number) =>
  fc.record({
    rows: fc.integer({ min: 1, max: 70 }),
    cols: fc.integer({ min: 1, max: 3 }).map((blocks) => blocks * blockInputs),
    tokens: fc.constantFrom(1, 2, 4, 8, 16),
    ordered: fc.boolean(),
    seed: fc.nat(),
  });

/** bf16 of an integer that has 8 bits at most: exact. */
const bf16 = (value: number) => new Uint32Array(new Float32Array([value]).buffer)[0]! >>> 16;
const widened = (bits: number) => new Float32Array(new Uint32Array([bits << 16]).buffer)[0]!;

/** Weights of 8 bits and activations of 16: every product and sum is exact, so hi and lo both count. */
function matrix({ rows, cols, tokens, ordered, seed }: Case) {
  const next = numbers(seed);
  return {
    weights: Uint16Array.from({ length: rows * cols }, () => bf16(next(255) - 127)),
    scores: Float32Array.from({ length: rows * cols }, () => next(1 << 20)),
    permutation: shuffled(next, cols),
    activations: Float32Array.from({ length: tokens * cols }, () => next(65535) - 32767),
    order: ordered ? shuffled(next, rows) : null,
  };
}

function run(
  kind: string,
  shape: Case,
  weights: readonly ArrayBufferView[],
  order: Int32Array | null,
  x: Float32Array,
) {
  const head = Int32Array.of(shape.rows, shape.cols, shape.tokens, order ? 1 : 0);
  const parts = [head, ...weights, ...(order ? [order] : []), x];
  const bytes = parts.map((part) => new Uint8Array(part.buffer, part.byteOffset, part.byteLength));
  return linear.run([kind], Buffer.concat(bytes));
}

const float64 = (bytes: Buffer) => new Float64Array(new Uint8Array(bytes).buffer);

/** y[token][row] of a dense matrix, device row r being stored row order[r]. */
function products(
  dense: Uint16Array,
  { rows, cols, tokens }: Case,
  x: Float32Array,
  order: Int32Array | null,
) {
  return Float64Array.from({ length: tokens * rows }, (_, i) => {
    const [token, row] = [Math.floor(i / rows), order?.[i % rows] ?? i % rows];
    let sum = 0;
    for (let c = 0; c < cols; c++) sum += widened(dense[row * cols + c]!) * x[token * cols + c]!;
    return sum;
  });
}

async function packed(shape: Case) {
  const { weights, scores, permutation, ...rest } = matrix(shape);
  const mask = await maskOf(scores, shape.rows, shape.cols, permutation, 2, 4);
  const arrays = await pack(weights, shape.rows, shape.cols, permutation, mask, 2, 4);
  return { arrays, permutation, ...rest };
}

const stored = ({ values, indices }: Awaited<ReturnType<typeof pack>>) => [values, indices];

test('a 2:4 matrix, repacked, gives on the sparse tensor cores what the store holds', async () => {
  await fc.assert(
    fc.asyncProperty(cases(128), async (shape) => {
      const { arrays, permutation, activations, order } = await packed(shape);
      const dense = await unpack(arrays, shape.rows, shape.cols, permutation, 2, 4);
      // The activations that a linear is given stand in its shuffled order.
      const given = activations.map((_, i) => {
        const token = Math.floor(i / shape.cols);
        return activations[token * shape.cols + permutation[i % shape.cols]!]!;
      });
      const { status, stdout } = run('sparse', shape, stored(arrays), order, given);
      expect(status).toBe(0);
      expect(float64(stdout)).toEqual(products(dense, shape, activations, order));
    }),
    { numRuns: 40 },
  );
});

test('a dense matrix, repacked, gives on the tensor cores what the store holds', () => {
  fc.assert(
    fc.property(cases(64), (shape) => {
      const { weights, activations, order } = matrix(shape);
      const { status, stdout } = run('dense', shape, [weights], order, activations);
      expect(status).toBe(0);
      expect(float64(stdout)).toEqual(products(weights, shape, activations, order));
    }),
    { numRuns: 40 },
  );
});

test('positions that do not ascend are found, wherever they are', async () => {
  await fc.assert(
    fc.asyncProperty(cases(128), fc.nat(), fc.nat(3), async (shape, where, position) => {
      const { arrays, activations, order } = await packed(shape);
      const words = new Uint32Array(arrays.indices.slice().buffer);
      const group = where % (words.length / 2);
      const shift = 2 * (Math.floor(where / 7) % 16);
      // Both slots of one row at the same position, or the second below the first.
      const put = (slot: number, value: number) => {
        words[2 * group + slot] = (words[2 * group + slot]! & ~(3 << shift)) | (value << shift);
      };
      put(0, position);
      put(1, Math.max(0, position - (where % 2)));
      expect(run('sparse', shape, [arrays.values, words], order, activations).status).toBe(3);
    }),
    { numRuns: 40 },
  );
});
