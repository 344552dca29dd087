import { concatMap, pipe } from 'rxjs';
import { TestScheduler } from 'rxjs/testing';
import { oneByOne } from './one-by-one.ts';

const scheduler = () =>
  new TestScheduler((actual, expected) => {
    expect(actual).toEqual(expected);
  });

test('a value enters the chain only when the one before has left it', () => {
  scheduler().run(({ cold, hot, expectObservable, flush }) => {
    const entered: string[] = [];
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
    flush();
    expect(entered).toEqual(['a', 'A', 'b', 'B']);
  });
});

test('an error within the chain ends the stream, and unsubscribing reaches into the chain', () => {
  scheduler().run(({ cold, hot, expectObservable, expectSubscriptions }) => {
    expectObservable(hot('a-b|').pipe(oneByOne(concatMap(() => cold('-#'))))).toBe('-#');
    const work = cold('-----x|');
    expectObservable(hot('a---b|').pipe(oneByOne(concatMap(() => work))), '^--!').toBe('----');
    expectSubscriptions(work.subscriptions).toBe('^--!');
  });
});
