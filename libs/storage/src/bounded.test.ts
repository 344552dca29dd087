import { setImmediate } from 'node:timers/promises';
import { forEachBounded } from './bounded.ts';

test('every index is done once, in order of start, and never more than the limit at a time', async () => {
  const started: number[] = [];
  let atOnce = 0;
  let most = 0;
  await forEachBounded(20, 3, async (i) => {
    started.push(i);
    most = Math.max(most, ++atOnce);
    await setImmediate();
    atOnce--;
  });
  expect(started).toEqual(Array.from({ length: 20 }, (_, i) => i));
  expect(most).toBe(3);
});

test('after a failure nothing new starts, and it is thrown only when nothing runs any more', async () => {
  let running = 0;
  const started: number[] = [];
  const work = forEachBounded(100, 4, async (i) => {
    started.push(i);
    running++;
    await setImmediate();
    if (i !== 1) await setImmediate();
    running--;
    if (i === 1) throw new Error('one');
  });
  await expect(work).rejects.toThrow('one');
  expect(running).toBe(0);
  expect(started.length).toBeLessThan(10);
});

test('nothing to do is done at once', async () => {
  await expect(forEachBounded(0, 4, () => Promise.reject(new Error('never')))).resolves.toBeUndefined();
});
