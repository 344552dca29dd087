import fc from 'fast-check';
import { checksum, checksumLarge, crcOfTrailer, hexOf, trailerOf } from './checksum.ts';
import { PIECE_BYTES } from './limits.ts';

/** CRC32C bit by bit, from its definition: polynomial 0x1EDC6F41, reflected. */
function reference(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  }
  return ~crc >>> 0;
}

test('the checksum is CRC32C', () => {
  expect(hexOf(checksum(Buffer.from('123456789')))).toBe('e3069283');
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      expect(checksum(bytes)).toBe(reference(bytes));
    }),
    { seed: 2 },
  );
});

test('a sum in pieces is the sum of the whole', async () => {
  const bytes = new Uint8Array(2 * PIECE_BYTES + 3).map((_, i) => i * 7);
  expect(await checksumLarge(bytes)).toBe(checksum(bytes));
  expect(await checksumLarge(bytes.subarray(9), checksum(bytes.subarray(0, 9)))).toBe(checksum(bytes));
});

test('a trailer is the checksum, little-endian', () => {
  expect([...trailerOf(0x01020304)]).toEqual([4, 3, 2, 1]);
  expect(crcOfTrailer(trailerOf(0xfffefdfc))).toBe(0xfffefdfc);
});
