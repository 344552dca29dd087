let waiting: (() => void)[] = [];

/**
 * Calls back once the events of this turn of the event loop have been handled, whoever waits for that together: an immediate
 * each would cost a server with many streams a microsecond a token.
 */
export function atEndOfTurn(call: () => void): void {
  if (waiting.push(call) > 1) return;
  setImmediate(() => {
    const calls = waiting;
    waiting = [];
    for (const one of calls) one();
  });
}
