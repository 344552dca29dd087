import { EsparseError } from '@esparse/errors';
import { memoryForPieces } from '@esparse/laws';
import type { SharingDevice } from '@esparse/statistics';
import { HeldSums } from './held-sums.ts';

/** A device that has room for so many pieces, and then for none; it computes nothing. */
function deviceWithRoomFor(pieces: number) {
  const { memory, held } = memoryForPieces(pieces, new EsparseError('unavailable', 'no room'));
  const nothing = () => undefined;
  const device = {
    ...memory,
    ...{ load: nothing, upload: nothing, download: nothing, fill: nothing, launch: nothing },
    ...{ openShared: () => 0, closeShared: nothing },
  } as unknown as SharingDevice;
  return { device, held };
}

test.each([0, 1, 2, 3])('with room for %d pieces, sums and their matrix leave nothing behind', (pieces) => {
  const { device, held } = deviceWithRoomFor(pieces);
  const make = () => {
    const sums = HeldSums.copied(device, 8, 'lower', new Uint8Array(64));
    try {
      sums.matrix(() => Promise.reject(new Error('not asked for'))).release();
    } finally {
      sums.release();
    }
  };
  if (pieces < 3) expect(make).toThrow('no room');
  else make();
  expect(held.size).toBe(0);
});
