import { compileEmulation } from './testing/emulation.ts';

const attention = compileEmulation('attention', true);
afterAll(() => {
  attention.remove();
});

interface Case {
  readonly heads: number;
  readonly keyHeads: number;
  readonly dims: number;
  readonly window: number;
  readonly biased: boolean;
  readonly normed: boolean;
  readonly sunk: boolean;
  readonly positions: readonly number[];
}

const PLAIN = { window: 0, biased: false, normed: false, sunk: false };
const THIRTY_TWO = Array.from({ length: 32 }, (_, i) => (i * 53) % 90);

test.each<[string, Case]>([
  [
    'on the edges of blocks and pages',
    { ...PLAIN, heads: 4, keyHeads: 2, dims: 64, positions: [0, 15, 16, 17, 63, 64, 255, 256, 511] },
  ],
  [
    'of several splits',
    { ...PLAIN, heads: 2, keyHeads: 1, dims: 128, positions: [511, 512, 527, 1024, 1300, 3] },
  ],
  ['where a row is no token', { ...PLAIN, heads: 8, keyHeads: 1, dims: 64, positions: [-1, 40] }],
  [
    'with biases and norms of heads',
    { ...PLAIN, biased: true, normed: true, heads: 8, keyHeads: 2, dims: 64, positions: [5, 300] },
  ],
  [
    'with a window',
    {
      ...PLAIN,
      window: 100,
      biased: true,
      heads: 4,
      keyHeads: 4,
      dims: 128,
      positions: [3, 99, 100, 600, 1200],
    },
  ],
  [
    'with a window of one',
    { ...PLAIN, window: 1, heads: 2, keyHeads: 2, dims: 64, positions: [0, 511, 512] },
  ],
  [
    'of heads of 256 channels',
    { ...PLAIN, window: 70, biased: true, heads: 4, keyHeads: 2, dims: 256, positions: [0, 64, 127, 300] },
  ],
  [
    'with sinks, norms and biases, over many splits',
    {
      ...{ window: 0, biased: true, normed: true, sunk: true },
      ...{ heads: 4, keyHeads: 1, dims: 128, positions: [1151, 1152, 2100, 700, 0, -1, 127, 128] },
    },
  ],
  [
    'with sinks and a window that begins within a split',
    { ...PLAIN, sunk: true, window: 300, heads: 2, keyHeads: 2, dims: 128, positions: [299, 300, 940, 1500] },
  ],
  ['of 3 queries a key', { ...PLAIN, heads: 9, keyHeads: 3, dims: 64, positions: [70] }],
  ['of 5 queries a key', { ...PLAIN, normed: true, heads: 5, keyHeads: 1, dims: 128, positions: [33, 600] }],
  ['of 7 queries a key', { ...PLAIN, heads: 14, keyHeads: 2, dims: 64, positions: [20] }],
  ['of 12 queries a key', { ...PLAIN, heads: 12, keyHeads: 1, dims: 128, positions: [50] }],
  ['of two groups of tokens', { ...PLAIN, heads: 1, keyHeads: 1, dims: 64, positions: THIRTY_TWO }],
])('attention %s is that of f64, whatever the grid and the way of keys and values', (_, of) => {
  const numbers = [
    of.heads,
    of.keyHeads,
    of.dims,
    of.window,
    Number(of.biased),
    Number(of.normed),
    Number(of.sunk),
    ...of.positions,
  ];
  const { status, stdout } = attention.run(numbers.map(String), new Uint8Array());
  expect(status).toBe(0);
  expect(Number(stdout.toString())).toBeLessThan(1e-5);
});
