import { fuzz } from './fuzz.ts';

jest.setTimeout(20 * 60_000);

test('what says what is in a checkpoint is hostile: it is read, or refused by name, and nothing outside is', async () => {
  expect(await fuzz('headers', 5200)).toEqual([]);
});
