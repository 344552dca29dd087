import { setImmediate } from 'node:timers/promises';
import { EsparseError } from '@esparse/errors';
import { memoryForPieces } from '@esparse/laws';
import type { StatisticDevice } from '@esparse/statistics';
import { HeldSums } from './held-sums.ts';

/** A device that has room for so many pieces, and then for none; it computes nothing. */
function deviceWithRoomFor(pieces: number) {
  const { memory, held } = memoryForPieces(pieces, new EsparseError('unavailable', 'no room'));
  const nothing = () => undefined;
  const device = {
    ...memory,
    ...{ load: nothing, upload: nothing, download: nothing, copy: nothing, launch: nothing },
    downloadLater: () => setImmediate(),
  } as unknown as StatisticDevice;
  return { device, held };
}

test.each([0, 1, 2, 3])(
  'with room for %d pieces, sums and their matrix leave nothing behind',
  async (pieces) => {
    const { device, held } = deviceWithRoomFor(pieces);
    const make = async () => {
      const sums = await HeldSums.copied(device, 8, 'lower', 256);
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
