import { createTurns } from './turns.ts';

test('work is let through in order, one piece a turn of the event loop', async () => {
  const turns = createTurns();
  const order: string[] = [];
  let loop = 0;
  let counting = true;
  const count = () => {
    loop++;
    if (counting) setImmediate(count);
  };
  setImmediate(count);
  const at: number[] = [];
  await Promise.all(
    ['a', 'b', 'c'].map(async (name) => {
      await turns();
      order.push(name);
      at.push(loop);
    }),
  );
  counting = false;
  expect(order).toEqual(['a', 'b', 'c']);
  expect(new Set(at).size).toBe(3);
});
