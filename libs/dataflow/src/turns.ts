import { Observable, finalize, type Subscription } from 'rxjs';

/** Things of which each piece of work has one to itself. */
export interface Turns<Thing> {
  /** Works with the first that is free, until it ends or gives it back; whoever asks first is first. */
  use<R>(work: (thing: Thing, giveBack: () => void) => Observable<R>): Observable<R>;
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
    use: <R>(work: (thing: Thing, giveBack: () => void) => Observable<R>) =>
      new Observable<R>((subscriber) => {
        let working: Subscription | undefined;
        const begin = (thing: Thing) => {
          let has = true;
          const giveBack = () => {
            if (has) give(thing);
            has = false;
          };
          working = work(thing, giveBack).pipe(finalize(giveBack)).subscribe(subscriber);
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
