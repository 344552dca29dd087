/** What an operator of the dataflow has done since the figures were taken last, and in all. */
export interface OperatorFigures {
  /** Its name in the graph of `esparse graph`. */
  readonly operator: string;
  /** Shares of the time since then in which it worked, and in which what it has had to wait for the next operator. */
  readonly busy: number;
  readonly backpressured: number;
  /** The rest: it waited for input. */
  readonly idle: number;
  /** What it has done since the run began, and of that a second since then. */
  readonly done: number;
  readonly rate: number;
  readonly unit: string;
  /** What waits for it now: of linears, shards or tiles. */
  readonly queue: number;
}

/** Measures operators: whoever works in the name of one says when it begins and when it ends. */
export interface OperatorMeter {
  /** The operator works until what is returned is called. Calls may overlap. */
  busy(operator: string): () => void;
  /** It cannot hand on what it has until what is returned is called. Working counts before it. */
  blocked(operator: string): () => void;
  /** It has done so much more. */
  done(operator: string, amount: number): void;
  /** So much more waits for it, or less. */
  queue(operator: string, change: number): void;
  /** Figures of every operator, and begins anew; of less than a millisecond none are taken. */
  take(): { readonly seconds: number; readonly operators: readonly OperatorFigures[] } | undefined;
}

interface Counted {
  readonly unit: string;
  /** How many work, and how many are held up. */
  working: number;
  held: number;
  /** When the numbers above were changed last, and the milliseconds of both states until then. */
  since: number;
  busyMs: number;
  blockedMs: number;
  done: number;
  doneBefore: number;
  queue: number;
}

/**
 * Begins to measure; all operators are idle.
 *
 * @param units what each operator counts, such as linears; others are not measured
 * @param now milliseconds
 */
export function createOperatorMeter(
  units: ReadonlyMap<string, string>,
  now: () => number = () => performance.now(),
): OperatorMeter {
  let taken = now();
  const all = new Map<string, Counted>();
  for (const [operator, unit] of units) {
    all.set(operator, {
      ...{ unit, working: 0, held: 0, since: taken, busyMs: 0, blockedMs: 0 },
      ...{ done: 0, doneBefore: 0, queue: 0 },
    });
  }
  const settle = (counted: Counted, time: number) => {
    if (counted.working > 0) counted.busyMs += time - counted.since;
    else if (counted.held > 0) counted.blockedMs += time - counted.since;
    counted.since = time;
  };
  const enter = (operator: string, state: 'working' | 'held') => {
    const counted = all.get(operator);
    if (counted === undefined) return () => undefined;
    settle(counted, now());
    counted[state]++;
    let left = false;
    return () => {
      if (left) return;
      left = true;
      settle(counted, now());
      counted[state]--;
    };
  };
  return {
    busy: (operator) => enter(operator, 'working'),
    blocked: (operator) => enter(operator, 'held'),
    done(operator, amount) {
      const counted = all.get(operator);
      if (counted !== undefined) counted.done += amount;
    },
    queue(operator, change) {
      const counted = all.get(operator);
      if (counted !== undefined) counted.queue = Math.max(0, counted.queue + change);
    },
    take() {
      const time = now();
      const passed = time - taken;
      if (passed < 1) return undefined;
      taken = time;
      const operators = [...all].map(([operator, counted]): OperatorFigures => {
        settle(counted, time);
        const busy = share(counted.busyMs / passed);
        const backpressured = share(counted.blockedMs / passed);
        const { done, unit, queue } = counted;
        const rate = Number(((1000 * (done - counted.doneBefore)) / passed).toPrecision(4));
        Object.assign(counted, { busyMs: 0, blockedMs: 0, doneBefore: done });
        const idle = share(1 - busy - backpressured);
        return { operator, busy, backpressured, idle, done, rate, unit, queue };
      });
      return { seconds: Math.round(passed) / 1000, operators };
    },
  };
}

/** From 0 to 1, with the digits that say something. */
function share(value: number): number {
  return Math.round(1000 * Math.min(1, Math.max(0, value))) / 1000;
}
