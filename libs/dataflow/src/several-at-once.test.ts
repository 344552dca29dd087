import { concatMap, type Observable } from 'rxjs';
import { marbles } from '@esparse/laws';
import { severalAtOnce } from './several-at-once.ts';

/** What becomes of each value, after how long. */
const BECOMES = { a: '------(A|)', b: '--(B|)', c: '--(C|)', d: '--(D|)' } as const;
type Value = keyof typeof BECOMES;

function chainOf(cold: (marbles: string) => Observable<string>) {
  return concatMap((value: Value) => cold(BECOMES[value]));
}

test('results come in the order of the values, whichever is done first', () =>
  marbles(({ cold, expectObservable }) => {
    const values: readonly Value[] = ['a', 'b', 'c', 'd'];
    const several = (atOnce: number) => severalAtOnce(values, { atOnce }, chainOf(cold));
    expectObservable(several(2)).toBe('------(ABCD|)');
    expectObservable(several(1)).toBe('------A-B-C-(D|)');
  }));

test('values that take long can be begun first', () =>
  marbles(({ cold, expectObservable }) => {
    const [values, first] = [['d', 'c', 'b', 'a'] as const, ['a', 'b', 'c', 'd'] as const];
    expectObservable(severalAtOnce(values, { atOnce: 2, first }, chainOf(cold))).toBe('------(DCBA|)');
  }));

test('results can come as they are done: none waits for one that takes long', () =>
  marbles(({ cold, expectObservable }) => {
    const values = ['a', 'b', 'c', 'd'] as const;
    const order = { atOnce: 2, inOrder: false };
    expectObservable(severalAtOnce(values, order, chainOf(cold))).toBe('--B-C-(AD|)');
  }));

test('no value is begun once one has failed, and those under way are left', () =>
  marbles(({ cold, expectObservable, expectSubscriptions }) => {
    const works = [cold('--#'), cold('-----o|'), cold('-n|')];
    const chain = concatMap((i: number) => works[i]!);
    expectObservable(severalAtOnce([0, 1, 2], { atOnce: 2 }, chain)).toBe('--#');
    expectSubscriptions(works[1]!.subscriptions).toBe('^-!');
  }));
