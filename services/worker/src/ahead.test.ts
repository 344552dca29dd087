import { oneAhead } from './ahead.ts';

async function* counting(made: number[], until: number): AsyncGenerator<number> {
  for (let i = 0; i < until; i++) {
    made.push(i);
    yield await Promise.resolve(i);
  }
}

test('values come in order, and exactly one more than is consumed is made', async () => {
  const made: number[] = [];
  const values = oneAhead(counting(made, 5));
  await values.next();
  await new Promise(setImmediate);
  expect(made).toEqual([0, 1]);
  const rest: number[] = [];
  for await (const value of values) rest.push(value);
  expect(rest).toEqual([1, 2, 3, 4]);
});

test('a consumer that leaves early ends the source', async () => {
  let ended = false;
  async function* source() {
    try {
      for (let i = 0; ; i++) yield await Promise.resolve(i);
    } finally {
      ended = true;
    }
  }
  for await (const value of oneAhead(source())) if (value === 2) break;
  expect(ended).toBe(true);
});

test("the source's error reaches the consumer after the values before it", async () => {
  async function* failing() {
    yield await Promise.resolve(1);
    throw new Error('broken');
  }
  const seen: number[] = [];
  await expect(
    (async () => {
      for await (const value of oneAhead(failing())) seen.push(value);
    })(),
  ).rejects.toThrow('broken');
  expect(seen).toEqual([1]);
});
