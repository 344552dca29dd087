/** Two clocks: the steady one stands still while a machine sleeps, the other may be set. The later of both counts. */
export interface Clocks {
  readonly steady: number;
  readonly wall: number;
}

export function clocks(): Clocks {
  return { steady: performance.now(), wall: Date.now() };
}

/** Milliseconds since a reading of both clocks, by the one that says more. */
export function elapsedSince({ steady, wall }: Clocks): number {
  return Math.max(performance.now() - steady, Date.now() - wall);
}
