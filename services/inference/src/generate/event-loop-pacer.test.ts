import { createEventLoopPacer } from './event-loop-pacer.ts';

test('work goes on in order, one piece a turn of the event loop', async () => {
  const nextTurn = createEventLoopPacer();
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
      await nextTurn();
      order.push(name);
      at.push(loop);
    }),
  );
  counting = false;
  expect(order).toEqual(['a', 'b', 'c']);
  expect(new Set(at).size).toBe(3);
});
