import { compileEmulation } from './testing/emulation.ts';

const oneToken = compileEmulation('one_token', true);
afterAll(() => {
  oneToken.remove();
});

const run = (...numbers: number[]) => oneToken.run(numbers.map(String), new Uint8Array()).status;

test.each([640, 1024, 2048, 2176, 4096, 5120])(
  'a linear that norms %d channels by itself has the bits of the kernel for it, and one that adds to the stream those of the sum',
  (inputs) => {
    expect(run(inputs)).toBe(0);
  },
);

test.each([
  [1024, 64, 0, 1024],
  [2048, 64, 511, 2048],
  [2048, 64, 512, 2048],
  [2048, 128, -1, 2048],
  [1280, 64, 700, 1216],
  [4096, 128, 200, 4096],
  [512, 256, 1100, 512],
])(
  'a linear of %d inputs that adds splits of heads of %d up, position %d, has the bits of attention',
  (...numbers) => {
    expect(run(...numbers)).toBe(0);
  },
);
