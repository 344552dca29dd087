import { Observable, Subject } from 'rxjs';
import { createTurns } from './turns.ts';

/** Work that ends when it is told to; which thing it has got is among `begun`. */
function work(begun: string[]) {
  const end$ = new Subject<void>();
  const on = (thing: string) =>
    new Observable<void>((subscriber) => {
      begun.push(thing);
      return end$.subscribe(subscriber);
    });
  return { on, end$ };
}

test('each work has a thing to itself; who asks first is first', () => {
  const turns = createTurns(['a', 'b']);
  const begun: string[] = [];
  const all = Array.from({ length: 4 }, () => work(begun));
  for (const { on } of all) turns.use(on).subscribe();
  expect(begun).toEqual(['a', 'b']);
  all[1]!.end$.complete();
  expect(begun).toEqual(['a', 'b', 'b']);
  all[0]!.end$.complete();
  expect(begun).toEqual(['a', 'b', 'b', 'a']);
});

test('what fails, and who leaves, gives the thing back; who leaves while it waits gets none', () => {
  const turns = createTurns(['a']);
  const begun: string[] = [];
  const [failing, left, waiting, last] = Array.from({ length: 4 }, () => work(begun));
  turns.use(failing!.on).subscribe({ error: () => undefined });
  const leaving = turns.use(left!.on).subscribe();
  const gone = turns.use(waiting!.on).subscribe();
  turns.use(last!.on).subscribe();
  gone.unsubscribe();
  failing!.end$.error(new Error());
  expect(begun).toEqual(['a', 'a']);
  leaving.unsubscribe();
  expect(begun).toEqual(['a', 'a', 'a']);
  expect(last!.end$.observed).toBe(true);
  expect(waiting!.end$.observed).toBe(false);
});

test('what work gives back before it ends is had by the next, and given back once', () => {
  const turns = createTurns(['a']);
  const begun: string[] = [];
  const [first, second, third] = Array.from({ length: 3 }, () => work(begun));
  let giveBack: () => void = () => undefined;
  turns
    .use((thing, back) => {
      giveBack = back;
      return first!.on(thing);
    })
    .subscribe();
  for (const { on } of [second!, third!]) turns.use(on).subscribe();
  expect(begun).toEqual(['a']);
  giveBack();
  expect(begun).toEqual(['a', 'a']);
  first!.end$.complete();
  expect(begun).toEqual(['a', 'a']);
  second!.end$.complete();
  expect(begun).toEqual(['a', 'a', 'a']);
});

test('of those who wait the one with the earliest place is next, whenever it asks; a place that is not used holds nobody up', () => {
  const turns = createTurns(['a']);
  const [large, left, small, none] = Array.from({ length: 4 }, () => turns.place());
  const begun: string[] = [];
  const next = (name: string) => work(begun).on(name);
  const first = work(begun);
  turns.use(() => first.on('first')).subscribe();
  turns.use(() => next('none'), none).subscribe();
  turns.use(() => next('small'), small).subscribe();
  turns
    .use(() => next('left'), left)
    .subscribe()
    .unsubscribe();
  let giveBack: () => void = () => undefined;
  turns
    .use((_, back) => {
      giveBack = back;
      return next('large');
    }, large)
    .subscribe();
  first.end$.complete();
  giveBack();
  expect(begun).toEqual(['first', 'large', 'small']);
});
