import { narrow, narrowReference } from './narrow.ts';
import { widenReference } from './widen.ts';

const ALL = Uint16Array.from({ length: 2 ** 16 }, (_, bits) => bits);

test.each(['bf16', 'f16'] as const)('every %s comes back from f32 with its bits', (dtype) => {
  const wide = widenReference(dtype, ALL);
  const back = narrow(dtype, wide);
  const again = widenReference(dtype, back);
  const changed = ALL.filter((bits) =>
    Number.isNaN(wide[bits]) ? !Number.isNaN(again[bits]) : back[bits] !== bits,
  );
  expect(changed).toHaveLength(0);
});

test.each(['bf16', 'f16'] as const)(
  'what lies between two %s goes to the nearer, a tie to the even one',
  (dtype) => {
    const finite = widenReference(dtype, ALL.subarray(0, dtype === 'bf16' ? 0x7f80 : 0x7c00));
    for (let bits = 0; bits + 1 < finite.length; bits += 37) {
      const [low, high] = [finite[bits]!, finite[bits + 1]!];
      const middle = (low + high) / 2;
      const near = (high - low) / 8;
      const found = narrow(dtype, Float32Array.of(middle - near, middle, middle + near));
      expect([...found]).toEqual([bits, bits % 2 === 0 ? bits : bits + 1, bits + 1]);
    }
  },
);

test('what is too large for f16 becomes infinity', () => {
  expect([...narrow('f16', Float32Array.of(65519, 65520, -1e9))]).toEqual([0x7bff, 0x7c00, 0xfc00]);
});

test.each(['bf16', 'f16'] as const)('many numbers become the %s that few of them do', (dtype) => {
  // Every exponent, both signs, infinities and NaN; of the fraction what decides on rounding.
  const words = Uint32Array.from({ length: 2 ** 19 + 7 }, (_, i) => Math.imul(i, 0x9e3779b1) >>> 0);
  const values = new Float32Array(words.buffer);
  expect(narrow(dtype, values)).toEqual(narrowReference(dtype, values));
});
