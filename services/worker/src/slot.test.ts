import { createSlot } from './slot.ts';

test('the same key is opened once and shared', async () => {
  const open = jest.fn(() => Promise.resolve({}));
  const slot = createSlot(() => undefined);
  const [a, b] = await Promise.all([slot.hold('a', open), slot.hold('a', open)]);
  expect(a.value).toBe(b.value);
  expect(open).toHaveBeenCalledTimes(1);
});

test('a replaced value is disposed of once, after its last user has released it', async () => {
  const disposed: string[] = [];
  const slot = createSlot<string>((value) => disposed.push(value));
  const first = await slot.hold('a', () => Promise.resolve('A'));
  const again = await slot.hold('a', () => Promise.resolve('never'));
  await slot.hold('b', () => Promise.resolve('B'));
  first.release();
  first.release();
  await Promise.resolve();
  expect(disposed).toEqual([]);
  again.release();
  await Promise.resolve();
  expect(disposed).toEqual(['A']);
});

test('an opening that fails is not kept: the next call opens again', async () => {
  const slot = createSlot<string>(() => undefined);
  await expect(slot.hold('a', () => Promise.reject(new Error('no')))).rejects.toThrow('no');
  await expect(slot.hold('a', () => Promise.resolve('yes'))).resolves.toMatchObject({ value: 'yes' });
});

test('of several values those that were opened last are kept, and clear keeps the one that it is told to', async () => {
  const disposed: string[] = [];
  const slot = createSlot<string>((value) => disposed.push(value), 2);
  const open = async (key: string) => {
    (await slot.hold(key, () => Promise.resolve(key.toUpperCase()))).release();
  };
  for (const key of ['a', 'b', 'a', 'c']) await open(key);
  expect(disposed).toEqual(['A']);
  await slot.clear('c');
  expect(disposed).toEqual(['A', 'B']);
  await open('c');
  await slot.clear('d');
  expect(disposed).toEqual(['A', 'B', 'C']);
});

test('clear disposes of an unused value', async () => {
  const disposed: string[] = [];
  const slot = createSlot<string>((value) => disposed.push(value));
  (await slot.hold('a', () => Promise.resolve('A'))).release();
  await slot.clear();
  expect(disposed).toEqual(['A']);
});
