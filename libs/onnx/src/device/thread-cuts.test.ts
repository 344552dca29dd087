import fc from 'fast-check';
import { GraphBuilder } from '../graph/builder.ts';
import { createSession } from './session.ts';
import { threadsAlike, type ProductSizes } from './thread-cuts.ts';

/** A linear of so many threads: out = a Wᵀ. */
async function linear(threads: number) {
  const graph = new GraphBuilder('linear');
  graph.input('a', ['rows', 'inner']);
  graph.input('w', ['cols', 'inner']);
  graph.node('Gemm', ['a', 'w'], { transB: 1 }, ['out']);
  graph.output('out', ['rows', 'cols']);
  const session = await createSession(graph.toBytes(), { threads });
  return {
    async run({ rows, inner, cols }: ProductSizes): Promise<Float32Array> {
      const out = new Float32Array(rows * cols);
      await session.run(
        new Map([
          ['a', { data: NUMBERS.subarray(0, rows * inner), shape: [rows, inner] }],
          ['w', { data: NUMBERS.subarray(0, cols * inner), shape: [cols, inner] }],
        ]),
        new Map([['out', { data: out, shape: [rows, cols] }]]),
      );
      return out;
    },
    release: () => session.release(),
  };
}

/** As many as the matrices have at most. */
const NUMBERS = Float32Array.from({ length: 700 * 700 }, (_, i) => Math.sin(i * 12.9898));
const MOST_THREADS = 9;
const linears = new Map<number, Awaited<ReturnType<typeof linear>>>();
beforeAll(async () => {
  for (let threads = 1; threads <= MOST_THREADS; threads++) linears.set(threads, await linear(threads));
});
afterAll(() => Promise.all([...linears.values()].map(({ release }) => release())));

const run = (threads: number, sizes: ProductSizes) => linears.get(threads)!.run(sizes);

test('a product of which it is said that threads change nothing has the same bits with any number of them', async () => {
  const cases = fc.record({
    rows: fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 200 })),
    inner: fc.integer({ min: 1, max: 700 }),
    cols: fc.integer({ min: 1, max: 700 }),
    threads: fc.integer({ min: 2, max: MOST_THREADS }),
  });
  await fc.assert(
    fc.asyncProperty(cases, async ({ threads, ...sizes }) => {
      fc.pre(threads <= threadsAlike(sizes));
      expect(await run(threads, sizes)).toEqual(await run(1, sizes));
    }),
    { numRuns: 100 },
  );
});

test('where a thread has 64 outputs or fewer, and more inputs than it sums at once, bits are others', async () => {
  const sizes = { rows: 64, inner: 700, cols: 512 };
  expect(threadsAlike(sizes)).toBe(6);
  expect(await run(8, sizes)).not.toEqual(await run(1, sizes));
  expect(threadsAlike({ ...sizes, rows: 512 })).toBe(Infinity);
  expect(threadsAlike({ ...sizes, inner: 128 })).toBe(Infinity);
});
