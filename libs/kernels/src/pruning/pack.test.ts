import { maskOf } from './mask.ts';
import { pack, unpack } from './pack.ts';
import { packedLayout } from '../runtime/packed-layout.ts';

const identity = (cols: number) => Int32Array.from({ length: cols }, (_, i) => i);

test('2:4 packs 16 rows as two slots of values and 2 bits per kept weight: 56.25 % of the dense bytes', async () => {
  // Row r keeps channels r & 1 and 2 + (r >> 1 & 1); weight (r, c) is 4r + c + 1.
  const weights = Uint16Array.from({ length: 64 }, (_, i) => i + 1);
  const scores = new Float32Array(64);
  for (let r = 0; r < 16; r++) scores[4 * r + (r & 1)] = scores[4 * r + 2 + ((r >> 1) & 1)] = 1;
  const mask = await maskOf(scores, 16, 4, identity(4), 2, 4);
  const { values, indices } = await pack(weights, 16, 4, identity(4), mask, 2, 4);
  for (let r = 0; r < 16; r++) {
    expect([values[r], values[16 + r]]).toEqual([4 * r + (r & 1) + 1, 4 * r + 3 + ((r >> 1) & 1)]);
  }
  // Slot 0: positions 0 1 0 1; slot 1: positions 2 2 3 3, lowest row in the lowest bits.
  expect([...indices]).toEqual([0x44, 0x44, 0x44, 0x44, 0xfa, 0xfa, 0xfa, 0xfa]);
  expect(values.byteLength + indices.byteLength).toBe(0.5625 * weights.byteLength);
});

test('2:3 packs masks, and values position by position', async () => {
  const weights = Uint16Array.from({ length: 48 }, (_, i) => i + 1);
  const scores = new Float32Array(48).fill(1);
  for (let r = 0; r < 16; r++) scores[3 * r + (r % 3)] = 0; // row r drops channel r % 3
  const mask = await maskOf(scores, 16, 3, identity(3), 2, 3);
  const { values, indices } = await pack(weights, 16, 3, identity(3), mask, 2, 3);
  const who = [0, 1, 2].map((m) => indices[2 * m]! | (indices[2 * m + 1]! << 8));
  const rows = [...Array(16).keys()];
  expect(who).toEqual([0, 1, 2].map((m) => rows.reduce((bits, r) => bits | (r % 3 === m ? 0 : 1 << r), 0)));
  expect([...values]).toEqual(
    [0, 1, 2].flatMap((m) => rows.filter((r) => r % 3 !== m).map((r) => 3 * r + m + 1)),
  );
});

test('indices take at most one bit per dense weight, in whichever encoding is smaller', () => {
  for (let group = 2; group <= 16; group++) {
    for (let keep = 1; keep < group; keep++) {
      expect(packedLayout(16, group, keep, group).groupBytes * 8).toBeLessThanOrEqual(16 * group);
    }
  }
  expect(packedLayout(16, 4, 2, 4)).toMatchObject({ encoding: 'index', bits: 2, groupBytes: 8 });
  expect(packedLayout(16, 8, 4, 8)).toMatchObject({ encoding: 'mask', bits: 0, groupBytes: 16 });
});

test('a mask that does not keep N of M is refused, with its group and rows', async () => {
  const mask = new Uint8Array(20).fill(0b0011);
  mask[17] = 0b0111;
  await expect(pack(new Uint16Array(80), 20, 4, identity(4), mask, 2, 4)).rejects.toMatchObject({
    kind: 'usage',
    message: expect.stringContaining('group 0, rows 16 to 31'),
  });
});

test('padding that is not zero, or keeps other positions, is refused', async () => {
  const mask = new Uint8Array(3).fill(0b1100);
  const packed = await pack(new Uint16Array(12).fill(7), 3, 4, identity(4), mask, 2, 4);
  const refusal = { kind: 'store', context: { tile: 0, group: 0 } };
  expect(packed.values[3]).toBe(0);
  const values = packed.values.with(3, 1);
  await expect(unpack({ ...packed, values }, 3, 4, identity(4), 2, 4)).rejects.toMatchObject(refusal);
  const indices = packed.indices.with(7, 0xaa); // the last rows' second position: 2 instead of 1
  await expect(unpack({ ...packed, indices }, 3, 4, identity(4), 2, 4)).rejects.toMatchObject(refusal);
});

test('arrays of another size than the shape says are refused', async () => {
  const packed = { values: new Uint16Array(31), indices: new Uint8Array(8) };
  await expect(unpack(packed, 16, 4, identity(4), 2, 4)).rejects.toMatchObject({ kind: 'usage' });
});
