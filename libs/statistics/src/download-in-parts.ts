import type { StatisticDevice } from './device.ts';

/** Bytes of a part: a copy of it takes longer than its start. And how many come at once: one is taken out while others arrive. */
const [PART, AT_ONCE] = [8 * 2 ** 20, 4];

/**
 * Fills a large array with what lies at an address of a device's memory, part by part, on other threads: see `downloadLater`. Where a part
 * does not come no more are asked for, and that is told once none is under way.
 */
export async function downloadInParts(
  device: Pick<StatisticDevice, 'downloadLater'>,
  from: number,
  to: ArrayBufferView,
): Promise<void> {
  let next = 0;
  const take = async () => {
    while (next < to.byteLength) {
      const at = next;
      next += PART;
      const some = Math.min(PART, to.byteLength - at);
      try {
        await device.downloadLater(from + at, new Uint8Array(to.buffer, to.byteOffset + at, some));
      } catch (error) {
        next = Infinity;
        throw error;
      }
    }
  };
  const taken = await Promise.allSettled(Array.from({ length: AT_ONCE }, take));
  for (const each of taken) if (each.status === 'rejected') throw each.reason;
}
