import { fuzz } from './fuzz.ts';

jest.setTimeout(20 * 60_000);

test('a request of any kind over HTTP is answered as documented, and the server goes on', async () => {
  expect(await fuzz('requests', 1800)).toEqual([]);
});
