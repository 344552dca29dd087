import fc from 'fast-check';
import { mapAhead } from './ahead.ts';

test('results keep their order, and at any time exactly so many more are being made than were consumed', async () => {
  await fc.assert(
    fc.asyncProperty(fc.nat({ max: 6 }), fc.nat({ max: 20 }), async (ahead, count) => {
      let made = 0;
      let consumed = 0;
      const items = Array.from({ length: count }, (_, i) => i);
      const results = mapAhead(items, ahead, async (item) => {
        made++;
        await new Promise(setImmediate);
        return item * 2;
      });
      for await (const result of results) {
        expect(result).toBe(2 * consumed++);
        expect(made).toBe(Math.min(count, consumed + ahead));
      }
      expect(consumed).toBe(count);
    }),
    { numRuns: 30, seed: 1 },
  );
});

test('a consumer that leaves early waits for what is being made, and nothing more is begun', async () => {
  const finished: number[] = [];
  let begun = 0;
  for await (const value of mapAhead([0, 1, 2, 3, 4, 5], 2, async (item) => {
    begun++;
    await new Promise(setImmediate);
    finished.push(item);
    return item;
  })) {
    if (value === 1) break;
  }
  expect(begun).toBe(4);
  expect(finished).toEqual([0, 1, 2, 3]);
});

test('an error reaches the consumer after the results before it, and later failures are not unhandled', async () => {
  const seen: number[] = [];
  const consume = async () => {
    for await (const value of mapAhead([1, 2, 3, 4], 2, (item) =>
      item === 1 ? Promise.resolve(item) : Promise.reject(new Error(`broken ${item}`)),
    )) {
      seen.push(value);
    }
  };
  await expect(consume()).rejects.toThrow('broken 2');
  expect(seen).toEqual([1]);
});
