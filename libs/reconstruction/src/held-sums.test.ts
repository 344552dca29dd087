import { setImmediate } from 'node:timers/promises';
import { EsparseError } from '@esparse/errors';
import { memoryForPieces } from '@esparse/laws';
import type { SharingDevice } from '@esparse/statistics';
import { HeldSums } from './held-sums.ts';

/** A device that has room for so many pieces, and then for none; it computes nothing. */
function deviceWithRoomFor(pieces: number) {
  const { memory, held } = memoryForPieces(pieces, new EsparseError('unavailable', 'no room'));
  const nothing = () => undefined;
  const seen: string[] = [];
  const device = {
    ...memory,
    ...{ load: nothing, upload: nothing, download: nothing, fill: nothing, launch: nothing },
    downloadLater: () => setImmediate(),
    openShared: () => seen.push('opened'),
    closeShared: () => seen.push('closed'),
  } as unknown as SharingDevice;
  return { device, held, seen };
}

test.each([0, 1, 2, 3])(
  'with room for %d pieces, sums and their matrix leave nothing behind',
  async (pieces) => {
    const { device, held } = deviceWithRoomFor(pieces);
    const make = async () => {
      const sums = await HeldSums.copied(device, 8, 'lower', new Uint8Array(64));
      try {
        sums.matrix(() => Promise.reject(new Error('not asked for'))).release();
      } finally {
        sums.release();
      }
    };
    if (pieces < 3) await expect(make()).rejects.toThrow('no room');
    else await make();
    expect(held.size).toBe(0);
  },
);

test('what two workers share is read at the same time', async () => {
  const { device, held, seen } = deviceWithRoomFor(Infinity);
  const copy = () => HeldSums.copied(device, 8, 'lower', new Uint8Array(64));
  const both = await Promise.all([copy(), copy()]);
  expect(seen).toEqual(['opened', 'opened', 'closed', 'closed']);
  for (const sums of both) sums.release();
  expect(held.size).toBe(0);
});
