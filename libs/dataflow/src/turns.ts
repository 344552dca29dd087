import { Observable, finalize, type Subscription } from 'rxjs';

/** Things of which each piece of work has one to itself. */
export interface Turns<Thing> {
  /** Works with the first that is free; whoever asks first is first. */
  use<R>(work: (thing: Thing) => Observable<R>): Observable<R>;
}

export function createTurns<Thing>(things: readonly Thing[]): Turns<Thing> {
  const free = [...things];
  const waiting: ((thing: Thing) => void)[] = [];
  const give = (thing: Thing) => {
    const next = waiting.shift();
    if (next === undefined) free.push(thing);
    else next(thing);
  };
  return {
    use: <R>(work: (thing: Thing) => Observable<R>) =>
      new Observable<R>((subscriber) => {
        let working: Subscription | undefined;
        const begin = (thing: Thing) => {
          const work$ = work(thing).pipe(
            finalize(() => {
              give(thing);
            }),
          );
          working = work$.subscribe(subscriber);
        };
        if (free.length > 0) begin(free.shift()!);
        else waiting.push(begin);
        return () => {
          const place = waiting.indexOf(begin);
          if (place >= 0) waiting.splice(place, 1);
          working?.unsubscribe();
        };
      }),
  };
}
