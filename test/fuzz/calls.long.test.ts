import { fuzz } from './fuzz.ts';

jest.setTimeout(20 * 60_000);

test('a gRPC call of any kind ends with a status that names the caller’s fault, and worker and server go on', async () => {
  expect(await fuzz('calls', 800)).toEqual([]);
});
