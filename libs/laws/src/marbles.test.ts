import { concatMap, from, map, mergeMap, NEVER, of, switchMap } from 'rxjs';
import { marbles } from './index.ts';

test('an operator whose project function returns promises runs in virtual time', async () => {
  await marbles(({ hot, promise, expectObservable, expectSubscriptions }) => {
    const letters$ = hot('ab----c|');
    const twice = (letter: string) => promise('--(x|)', { x: letter + letter });
    expectObservable(letters$.pipe(concatMap(twice))).toBe('--x-y---(z|)', { x: 'aa', y: 'bb', z: 'cc' });
    expectObservable(letters$.pipe(mergeMap(twice))).toBe('--xy----(z|)', { x: 'aa', y: 'bb', z: 'cc' });
    expectSubscriptions(letters$.subscriptions).toBe('^------!', '^------!');
  });
});

test('promises may be awaited in the middle: all that is ready settles within its frame', async () => {
  await marbles(({ cold, promise, expectObservable }) => {
    const work = async (letter: string) => {
      const first = await promise('-x', { x: 1 });
      const second = await promise('--y', { y: 2 });
      return `${letter}${first}${second}`;
    };
    expectObservable(cold('a|').pipe(concatMap(work))).toBe('---(r|)', { r: 'a12' });
  });
});

test('a rejection is an error, and unsubscribing is seen by the source', async () => {
  await marbles(({ hot, cold, promise, expectObservable, expectSubscriptions }) => {
    const letters$ = hot('a--b--c|');
    expectObservable(letters$.pipe(concatMap(() => promise('-#', {}, 'broken')))).toBe('-#', {}, 'broken');
    expectSubscriptions(letters$.subscriptions).toBe('^!');
    const never$ = cold('-----x');
    expectObservable(never$, '^--!').toBe('----');
    expectSubscriptions(never$.subscriptions).toBe('^--!');
  });
});

test('as in RxJS: values at one frame, hot sources at the start, subscriptions that come later', async () => {
  await marbles(({ hot, cold, expectObservable }) => {
    expectObservable(hot('a-b|')).toBe('a-b|');
    expectObservable(hot('a-b|'), '--^').toBe('--b|');
    expectObservable(cold('(ab|)'), '-^').toBe('-(ab|)');
    expectObservable(of(1, 2).pipe(map((n) => n + 1))).toBe('(ab|)', { a: 2, b: 3 });
    expectObservable(cold('a--b|').pipe(switchMap((x) => cold(`-${x}${x}|`)))).toBe('-aa-bb|');
    expectObservable(NEVER).toBe('----');
  });
});

test.each<[string, Parameters<typeof marbles>[0]]>([
  [
    'another value',
    ({ cold, expectObservable }) => {
      expectObservable(cold('a|')).toBe('b|');
    },
  ],
  [
    'another time',
    ({ cold, expectObservable }) => {
      expectObservable(cold('-a|')).toBe('a-|');
    },
  ],
  [
    'one value more',
    ({ cold, expectObservable }) => {
      expectObservable(cold('ab|')).toBe('a-|');
    },
  ],
  [
    'nothing at all',
    ({ expectObservable }) => {
      expectObservable(NEVER).toBe('a');
    },
  ],
  [
    'another error',
    ({ cold, expectObservable }) => {
      expectObservable(cold('#', {}, 'x')).toBe('#', {}, 'y');
    },
  ],
  [
    'a source that is subscribed to for ever',
    ({ cold, expectObservable, expectSubscriptions }) => {
      const a$ = cold('-a');
      expectObservable(from(a$)).toBe('-a');
      expectSubscriptions(a$.subscriptions).toBe('^-!');
    },
  ],
])('what is seen but not expected fails the test, with both sides: %s', async (_, test) => {
  await expect(marbles(test)).rejects.toThrow(/ seen:[^]*expected:/);
});

test('matchers of the test runner stand for what they match', async () => {
  await marbles(({ cold, expectObservable }) => {
    const error = Object.assign(new Error('gone'), { kind: 'cancelled' });
    expectObservable(cold('#', {}, error)).toBe('#', {}, expect.objectContaining({ kind: 'cancelled' }));
    const a = { name: 'q', size: 3 };
    expectObservable(cold('a|', { a })).toBe('a|', { a: { name: 'q', size: expect.any(Number) } });
  });
});
