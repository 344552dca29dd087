import { fuzz } from './fuzz.ts';

jest.setTimeout(20 * 60_000);

test('a store that is damaged or forged is read, or refused by name, and damage is never called sound', async () => {
  expect(await fuzz('stores', 700)).toEqual([]);
});
