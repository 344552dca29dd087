import { bytesOf, tensorToF32 } from '@esparse/checkpoint';
import { rounded } from './rounded.ts';

const values = Float32Array.of(1, -0.1, 65504, 2 ** -24, 0);

test('numbers become the nearest of the other type, and those that it has stay what they are', async () => {
  for (const [to, stored, error] of [
    ['bf16', 'BF16', 2 ** -8],
    ['f16', 'F16', 2 ** -11],
    ['f32', 'F32', 0],
  ] as const) {
    const found = await tensorToF32(stored, await rounded(bytesOf(values), 'F32', to, 'w'));
    found.forEach((value, i) => {
      expect(Math.abs(value - values[i]!)).toBeLessThanOrEqual(error * Math.abs(values[i]!));
    });
    const again = await rounded(bytesOf(found), 'F32', to, 'w');
    expect(await tensorToF32(stored, again)).toEqual(found);
  }
});

test.each([
  ['f16', 1e6],
  ['bf16', 3.4e38],
] as const)('%s: a number that it does not reach is refused by the name of its tensor', async (to, huge) => {
  await expect(
    rounded(bytesOf(Float32Array.of(1, huge)), 'F32', to, 'model.embed_tokens.weight'),
  ).rejects.toMatchObject({
    kind: 'unsupported',
    message: `tensor model.embed_tokens.weight holds ${Math.fround(huge)}, which ${to} cannot`,
  });
});

test('an infinity that the tensor has already is kept', async () => {
  const bytes = await rounded(bytesOf(Float32Array.of(Infinity, -Infinity)), 'F32', 'f16', 'w');
  expect([...(await tensorToF32('F16', bytes))]).toEqual([Infinity, -Infinity]);
});
