import fc from 'fast-check';
import { compileEmulation } from './testing/emulation.ts';
import { numbers } from './testing/numbers.ts';

const images = [compileEmulation('linear_kernels', true, 90), compileEmulation('linear_kernels', true, 80)];
afterAll(() => {
  for (const image of images) image.remove();
});

const TILE_ROWS = 16;

/** The choices of two of four. */
const PAIRS = [
  [0, 1],
  [0, 2],
  [0, 3],
  [1, 2],
  [1, 3],
  [2, 3],
] as const;

/** For each tile and group the first position of each row, two bits each, and the second. */
function indicesOf(pairs: number, next: (below: number) => number): Uint32Array {
  const words = new Uint32Array(2 * pairs);
  for (let i = 0; i < pairs; i++) {
    for (let row = 0; row < TILE_ROWS; row++) {
      const [first, second] = PAIRS[next(PAIRS.length)]!;
      words[2 * i]! |= first << (2 * row);
      words[2 * i + 1]! |= second << (2 * row);
    }
  }
  return words;
}

test.each(['sparse', 'dense'] as const)(
  'linears that are compiled for GPUs before Hopper give the bits of the others, %s',
  (kind) => {
    const cases = fc.record({
      // Up to four panels, or six to eight: as many as the warps of a CTA share.
      rows: fc.oneof(fc.integer({ min: 1, max: 100 }), fc.integer({ min: 161, max: 256 })),
      blocks: fc.integer({ min: 1, max: 11 }),
      tokens: fc.constantFrom(1, 4, 16, 32, 64),
      seed: fc.nat(),
    });
    fc.assert(
      fc.property(cases, ({ rows, blocks, tokens, seed }) => {
        const next = numbers(seed);
        const cols = blocks * 128;
        const tiles = Math.ceil(rows / TILE_ROWS);
        const weight = () => (next(2) << 15) | (0x3c00 + next(0x400));
        const values = Uint16Array.from(
          { length: kind === 'sparse' ? (tiles * TILE_ROWS * cols) / 2 : rows * cols },
          weight,
        );
        const indices = indicesOf(kind === 'sparse' ? (tiles * cols) / 4 : 0, next);
        const x = Float32Array.from({ length: tokens * cols }, () => (next(65_535) - 32_767) / 4096);
        const head = Int32Array.from([rows, cols, tokens, 0, 0, 0, 0, 0]);
        const input = Buffer.concat([head, values, indices, x].map(({ buffer }) => new Uint8Array(buffer)));
        const [since, before] = images.map((image) => image.run([kind], input));
        expect([since!.status, before!.status]).toEqual([0, 0]);
        // Ways to compute so many tokens, each with all outputs: all have the same bits, of either.
        const first = since!.stdout.subarray(0, 4 * tokens * rows);
        expect(since!.stdout.length).toBeGreaterThan(first.length);
        for (const all of [since!.stdout, before!.stdout]) {
          for (let at = 0; at < all.length; at += first.length) {
            expect(all.subarray(at, at + first.length).equals(first)).toBe(true);
          }
        }
      }),
      { numRuns: 12 },
    );
  },
);
