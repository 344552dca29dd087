import fc from 'fast-check';
import { joined, partsOf, totalOf } from './parts.ts';

test('parts are the pieces one behind the other, all of one size but the last', () => {
  const pieces = fc.array(fc.uint8Array({ maxLength: 20 }), { maxLength: 6 });
  fc.assert(
    fc.property(pieces, fc.integer({ min: 1, max: 15 }), (given, size) => {
      const parts = [...partsOf(given, size)];
      expect(Buffer.concat(parts)).toEqual(Buffer.concat(given));
      for (const part of parts.slice(0, -1)) expect(part.byteLength).toBe(size);
      expect(parts).toHaveLength(Math.ceil(totalOf(given) / size));
    }),
  );
});

test('a part that lies in one piece is that memory, not a copy', () => {
  const piece = new Uint8Array(10);
  expect([...partsOf([piece], 5)].map(({ buffer }) => buffer)).toEqual([piece.buffer, piece.buffer]);
  expect(joined([piece])).toBe(piece);
});
