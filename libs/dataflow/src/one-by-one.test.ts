import { concatMap, pipe } from 'rxjs';
import { marbles } from '@esparse/laws';
import { oneByOne } from './one-by-one.ts';

test('a value enters the chain only when the one before has left it', async () => {
  const entered: string[] = [];
  await marbles(({ cold, hot, expectObservable }) => {
    const chain = pipe(
      concatMap((value: string) => {
        entered.push(value);
        return cold(`--(${value}|)`);
      }),
      concatMap((value) => {
        entered.push(value.toUpperCase());
        return cold(`--(${value.toUpperCase()}|)`);
      }),
    );
    expectObservable(hot('ab|').pipe(oneByOne(chain))).toBe('----A---(B|)');
  });
  expect(entered).toEqual(['a', 'A', 'b', 'B']);
});

test('an error within the chain ends the stream, and unsubscribing reaches into the chain', async () => {
  await marbles(({ cold, hot, expectObservable, expectSubscriptions }) => {
    expectObservable(hot('a-b|').pipe(oneByOne(concatMap(() => cold('-#'))))).toBe('-#');
    const work = cold('-----x|');
    expectObservable(hot('a---b|').pipe(oneByOne(concatMap(() => work))), '^--!').toBe('----');
    expectSubscriptions(work.subscriptions).toBe('^--!');
  });
});
