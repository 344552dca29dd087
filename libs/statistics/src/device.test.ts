import { EsparseError } from '@esparse/errors';
import { memoryForPieces } from '@esparse/laws';
import type { StatisticDevice } from './device.ts';
import { STATISTICS } from './index.ts';

/** A device that has room for so many pieces, and then for none; it computes nothing. */
function deviceWithRoomFor(pieces: number) {
  const { memory, held, asked } = memoryForPieces(pieces, new EsparseError('unavailable', 'no room'));
  const nothing = () => undefined;
  const device = {
    ...memory,
    ...{ load: nothing, upload: nothing, download: nothing, fill: nothing, launch: nothing },
  } as unknown as StatisticDevice;
  return { device, held, asked };
}

const TILE = { address: 0, type: 'bf16', rows: 8, channels: 64, seqlen: 8 } as const;

test('a statistic for which a device has no room leaves nothing in its memory', () => {
  for (const [name, { onDevice }] of STATISTICS) {
    const run = ({ device }: ReturnType<typeof deviceWithRoomFor>) => {
      const fold = onDevice!(device, TILE.channels);
      try {
        fold.update(TILE);
      } finally {
        fold.release();
      }
    };
    const whole = deviceWithRoomFor(Infinity);
    run(whole);
    expect([name, whole.held.size]).toEqual([name, 0]);
    for (let pieces = 0; pieces < whole.asked(); pieces++) {
      const less = deviceWithRoomFor(pieces);
      expect(() => {
        run(less);
      }).toThrow('no room');
      expect([name, pieces, less.held.size]).toEqual([name, pieces, 0]);
    }
  }
});
