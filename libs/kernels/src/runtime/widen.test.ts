import { addon } from '../addon.ts';
import { widen, widenReference } from './widen.ts';

/** Every 16-bit pattern there is. */
const ALL = Uint16Array.from({ length: 65536 }, (_, i) => i);

test('the native addon is the one under test', () => {
  expect(addon()).not.toBeNull();
});

test.each(['bf16', 'f16'] as const)(
  'every %s pattern widens to the same f32 bits natively and in TypeScript',
  async (dtype) => {
    const native = await widen(dtype, ALL);
    expect(new Uint32Array(native.buffer)).toEqual(new Uint32Array(widenReference(dtype, ALL).buffer));
  },
);

test('widening gives the values that the formats define', () => {
  const f16 = widenReference('f16', Uint16Array.of(0x3c00, 0xc000, 0x0001, 0x7c00, 0x7bff));
  expect([...f16]).toEqual([1, -2, 2 ** -24, Infinity, 65504]);
  expect([...widenReference('bf16', Uint16Array.of(0x3f80, 0xc000, 0x7f80))]).toEqual([1, -2, Infinity]);
});
