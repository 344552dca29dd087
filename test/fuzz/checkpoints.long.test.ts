import { fuzz } from './fuzz.ts';

jest.setTimeout(20 * 60_000);

test('a checkpoint that is damaged or hostile runs, or is refused by name', async () => {
  expect(await fuzz('checkpoints', 1200)).toEqual([]);
});
