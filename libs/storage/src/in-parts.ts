import { forEachBounded } from './bounded.ts';
import type { ByteSource } from './byte-source.ts';

/** Bytes of one request: a part that fails is asked for again, and several of them fill a fast connection. */
const PART_BYTES = 8 * 1024 * 1024;
/** Requests under way at once for one read. */
const PARTS_AT_ONCE = 4;

/** What is elsewhere, its long reads cut into parts, several of which are under way at once. */
export function inParts(source: ByteSource): ByteSource {
  return {
    size: source.size,
    async readInto(offset, target, signal) {
      if (offset + target.byteLength > source.size) return false;
      let whole = true;
      await forEachBounded(Math.ceil(target.byteLength / PART_BYTES), PARTS_AT_ONCE, async (part) => {
        const begin = part * PART_BYTES;
        const bytes = target.subarray(begin, begin + PART_BYTES);
        if (!(await source.readInto(offset + begin, bytes, signal))) whole = false;
      });
      return whole;
    },
    close: () => source.close(),
  };
}
