import { NEVER, lastValueFrom, of } from 'rxjs';
import { marbles } from '@esparse/laws';
import { abortWith } from './abort.ts';

test('a signal that aborts ends the stream with a cancelled error, at once where it already has', async () => {
  const controller = new AbortController();
  const waiting = lastValueFrom(NEVER.pipe(abortWith(controller.signal)));
  controller.abort();
  await expect(waiting).rejects.toMatchObject({ kind: 'cancelled' });
  await expect(lastValueFrom(NEVER.pipe(abortWith(controller.signal)))).rejects.toMatchObject({
    kind: 'cancelled',
  });
});

test('a stream that completes stops listening to the signal', async () => {
  const { signal } = new AbortController();
  const removed = jest.spyOn(signal, 'removeEventListener');
  await expect(lastValueFrom(of(1).pipe(abortWith(signal)))).resolves.toBe(1);
  expect(removed).toHaveBeenCalledTimes(1);
});

test('aborting unsubscribes from the source', async () => {
  await marbles(({ cold, expectObservable, expectSubscriptions }) => {
    const controller = new AbortController();
    const source = cold('a-b-c-d|');
    cold('---x').subscribe(() => {
      controller.abort();
    });
    expectObservable(source.pipe(abortWith(controller.signal))).toBe(
      'a-b#',
      undefined,
      expect.objectContaining({ kind: 'cancelled' }),
    );
    expectSubscriptions(source.subscriptions).toBe('^--!');
  });
});
