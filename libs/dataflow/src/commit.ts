import {
  Observable,
  catchError,
  concat,
  concatMap,
  defer,
  from,
  ignoreElements,
  tap,
  throwError,
  type ObservableInput,
  type OperatorFunction,
} from 'rxjs';

/** Where a block's parts go before it becomes visible as a whole. */
export interface BlockSink<T, Committed> {
  write(part: T): ObservableInput<unknown>;
  /** Makes the block visible: everything written, at once. */
  commit(): ObservableInput<Committed>;
  /** Removes everything that was written. */
  abort(): ObservableInput<unknown>;
}

/**
 * Writes each part as it comes and commits when the stream completes; emits what the commit gives. A stream that
 * fails, and a subscriber that leaves, abort the sink: nothing of the block becomes visible. A failure is passed on
 * once the sink has been cleaned up.
 */
export function commit<T, Committed>(open: () => BlockSink<T, Committed>): OperatorFunction<T, Committed> {
  return (parts$) =>
    new Observable<Committed>((subscriber) => {
      const sink = open();
      let ended = false;
      const written$ = parts$.pipe(
        concatMap((part) => sink.write(part)),
        ignoreElements(),
      );
      const cleanUp = (error: unknown) => {
        ended = true;
        return concat(
          from(sink.abort()).pipe(ignoreElements()),
          throwError(() => error),
        );
      };
      const running = concat(
        written$,
        defer(() => sink.commit()),
      )
        .pipe(
          tap(() => {
            ended = true;
          }),
          catchError(cleanUp),
        )
        .subscribe(subscriber);
      return () => {
        running.unsubscribe();
        // There is no subscriber for an error: what could not be removed is removed when the block is begun again.
        if (!ended) from(sink.abort()).subscribe({ error: () => undefined });
      };
    });
}
