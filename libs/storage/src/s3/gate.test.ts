import { createGate } from './gate.ts';

test('no more tasks run at once than the gate allows, failures among them', async () => {
  const gate = createGate(3);
  let running = 0;
  let most = 0;
  const results = await Promise.allSettled(
    Array.from({ length: 20 }, (_, i) =>
      gate(async () => {
        most = Math.max(most, ++running);
        await new Promise(setImmediate);
        running--;
        if (i % 4 === 0) throw new Error('no');
        return i;
      }),
    ),
  );
  expect(most).toBe(3);
  expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(15);
});
