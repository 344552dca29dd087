import { setImmediate } from 'node:timers/promises';
import { downloadInParts } from './download-in-parts.ts';

const MIB = 2 ** 20;

/** A device that gives back where each byte lies, and how many copies were under way at once. */
function device(failsAt = Infinity) {
  const seen = { underWay: 0, most: 0, asked: 0 };
  return {
    seen,
    async downloadLater(from: number, to: ArrayBufferView) {
      seen.asked++;
      seen.most = Math.max(seen.most, ++seen.underWay);
      await setImmediate();
      seen.underWay--;
      if (from >= failsAt) throw new Error('lost');
      new Uint8Array(to.buffer, to.byteOffset, to.byteLength).fill(from / MIB);
    },
  };
}

test.each([0, 3, 8, 9, 100])('%i MiB arrive whole, some parts of them at once', async (size) => {
  const of = device();
  const to = new Uint8Array(size * MIB + 1).subarray(1);
  await downloadInParts(of, 16 * MIB, to);
  expect(Array.from({ length: size }, (_, i) => to[i * MIB]!)).toEqual(
    Array.from({ length: size }, (_, i) => 16 + 8 * Math.floor(i / 8)),
  );
  expect(of.seen.most).toBe(Math.min(4, Math.ceil(size / 8)));
});

test('where a part does not come, none is under way when that is told', async () => {
  const of = device(24 * MIB);
  await expect(downloadInParts(of, 0, new Uint8Array(200 * MIB))).rejects.toThrow('lost');
  expect(of.seen.underWay).toBe(0);
  expect(of.seen.asked).toBeLessThanOrEqual(8);
});
