import path from 'node:path';
import { emulatedGpu } from './testing/emulated-gpu.ts';

const gpu = emulatedGpu();
afterAll(() => {
  gpu.remove();
});

/** What the case finds on two GPUs. */
const found = (faults: string) =>
  gpu.run(path.join(import.meta.dirname, 'testing/copies-case.ts'), `count=2 ${faults}`);

const AS_ASKED = { brought: true, copied: true, beyond: 'internal' };

test('what goes up on other threads is there, and nothing goes beyond memory that is held', () => {
  expect(found('')).toEqual(AS_ASKED);
});

test('a copy from another GPU does not wait for what that one has to do: it is only held until the copy is made', () => {
  // The first is what goes up.
  expect(found('cuStreamWaitEvent=719:3')).toEqual(AS_ASKED);
});

test('small copies leave pinned memory of large ones to these', () => {
  // Two halves of what goes up for each GPU, two of what goes up on other threads, and where one large copy arrives of each.
  const [half, large, small] = [8 * 2 ** 20, 12_000_000, 2 ** 16];
  expect(found(`pinned=${6 * half + 2 * large + 2 * small}`)).toEqual(AS_ASKED);
});
