import { requireLaunchable } from './require-launchable.ts';

const launch = (grid: [number, number?, number?], threads = 256) => ({ grid, threads });

test('the largest grids, blocks and numbers that a GPU takes are taken', () => {
  const args = [{ int: 2 ** 31 - 1 }, { int: -(2 ** 31) }, { long: 2 ** 40 }, { pointer: 2 ** 47 }];
  expect(() => {
    requireLaunchable('k', launch([2 ** 31 - 1, 65_535, 65_535], 1024), args);
  }).not.toThrow();
});

test.each([
  [launch([2 ** 31]), [], 'a grid of 2147483648 x 1 x 1 blocks'],
  [launch([1, 65_536]), [], 'a grid of 1 x 65536 x 1'],
  [launch([1, 1, 65_536]), [], 'a grid of 1 x 1 x 65536'],
  [launch([0]), [], 'a grid of 0 x'],
  [launch([1.5]), [], 'a grid of 1.5 x'],
  [launch([NaN]), [], 'a grid of NaN x'],
  [launch([1], 1025), [], 'blocks of 1025 threads'],
  [launch([1], 0), [], 'blocks of 0 threads'],
  [launch([1]), [{ pointer: 0 }, { int: 2 ** 31 }], '2147483648 as its argument 1'],
  [launch([1]), [{ int: 0.5 }], '0.5 as its argument 0'],
])('what none takes is refused by the name of the kernel: %o', (how, args, message) => {
  expect(() => {
    requireLaunchable('tune_gather', how, args);
  }).toThrow(
    expect.objectContaining({ kind: 'internal', message: expect.stringContaining(message) }) as Error,
  );
  expect(() => {
    requireLaunchable('tune_gather', how, args);
  }).toThrow('tune_gather');
});
