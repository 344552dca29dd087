import { Observable, finalize, type Subscription } from 'rxjs';

/** Things of which each piece of work has one to itself. */
export interface Turns<Thing> {
  /** A place among those who wait, before those that are given later. It holds nothing up until it is used. */
  place(): number;
  /**
   * Works with the first that is free, until it ends or gives it back.
   *
   * @param place - who has the earliest one is first of those who wait. @default one as of when it asks
   */
  use<R>(work: (thing: Thing, giveBack: () => void) => Observable<R>, place?: number): Observable<R>;
}

interface Waiting<Thing> {
  readonly place: number;
  readonly begin: (thing: Thing) => void;
}

export function createTurns<Thing>(things: readonly Thing[]): Turns<Thing> {
  const free = [...things];
  /** By their places. */
  const waiting: Waiting<Thing>[] = [];
  let places = 0;
  const give = (thing: Thing) => {
    const next = waiting.shift();
    if (next === undefined) free.push(thing);
    else next.begin(thing);
  };
  const wait = (entry: Waiting<Thing>) => {
    const behind = waiting.findIndex(({ place }) => place > entry.place);
    waiting.splice(behind < 0 ? waiting.length : behind, 0, entry);
  };
  return {
    place: () => places++,
    use: <R>(work: (thing: Thing, giveBack: () => void) => Observable<R>, place?: number) =>
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
        const entry = { place: place ?? places++, begin };
        if (free.length > 0) begin(free.shift()!);
        else wait(entry);
        return () => {
          const at = waiting.indexOf(entry);
          if (at >= 0) waiting.splice(at, 1);
          working?.unsubscribe();
        };
      }),
  };
}
