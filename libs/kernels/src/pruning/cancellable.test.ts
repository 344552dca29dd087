import { cancellable } from './cancellable.ts';

test('an abort raises the flag; the promise is settled when the work has ended, and nobody listens any more', async () => {
  const controller = new AbortController();
  const removed = jest.spyOn(controller.signal, 'removeEventListener');
  let flag: Int32Array = new Int32Array(1);
  let end: (result: string) => void = () => undefined;
  let settled = false;
  const run = cancellable(controller.signal, (cancel) => {
    flag = cancel;
    return new Promise<string>((resolve) => (end = resolve));
  });
  const outcome = run.then(
    () => 'done',
    (error: unknown) => error,
  );
  void outcome.then(() => (settled = true));
  expect(flag[0]).toBe(0);
  controller.abort(new Error('enough'));
  expect(flag[0]).toBe(1);
  await new Promise(setImmediate);
  expect(settled).toBe(false);
  end('too late');
  expect(await outcome).toMatchObject({ kind: 'cancelled', cause: { message: 'enough' } });
  expect(removed).toHaveBeenCalledTimes(1);
});

test('work that ends without an abort gives its result, and nobody listens any more', async () => {
  const { signal } = new AbortController();
  const removed = jest.spyOn(signal, 'removeEventListener');
  expect(await cancellable(signal, () => Promise.resolve(7))).toBe(7);
  expect(removed).toHaveBeenCalledTimes(1);
});
