import { crc32c as inOneGo } from '@node-rs/crc32';
import { crc32c, crc32cReference } from './crc32c.ts';

/** Across several pieces, and not a whole number of them. */
const bytes = new Uint8Array(3 * 2 ** 20 + 5).map((_, i) => (i * 2654435761) >>> 13);

test.each([0, 1, 255, 2 ** 18, 2 ** 20, 2 ** 20 + 1, bytes.length])(
  'the checksum of %i bytes is CRC32C, also of what goes on from a checksum',
  async (length) => {
    const some = bytes.subarray(0, length);
    expect(await crc32c(some)).toBe(inOneGo(some));
    expect(await crc32c(some, 0xfedcba98)).toBe(inOneGo(some, 0xfedcba98));
    expect(await crc32cReference(some, 7)).toBe(inOneGo(some, 7));
  },
);

test('it does not depend on where a long input is cut', async () => {
  const whole = inOneGo(bytes);
  for (const cut of [3, 2 ** 19, 2 ** 20 + 77]) {
    expect(await crc32c(bytes.subarray(cut), await crc32c(bytes.subarray(0, cut)))).toBe(whole);
  }
});
