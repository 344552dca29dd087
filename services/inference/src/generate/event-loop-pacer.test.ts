import { createEventLoopPacer } from './event-loop-pacer.ts';

test('work goes on in order, so many pieces a turn of the event loop', async () => {
  const nextTurn = createEventLoopPacer(2);
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
    ['a', 'b', 'c', 'd', 'e'].map(async (name) => {
      await nextTurn();
      order.push(name);
      at.push(loop);
    }),
  );
  counting = false;
  expect(order).toEqual(['a', 'b', 'c', 'd', 'e']);
  const [first, second, third, fourth, fifth] = at;
  expect([second, fourth]).toEqual([first, third]);
  expect(third).toBeGreaterThan(first!);
  expect(fifth).toBeGreaterThan(third!);
});
