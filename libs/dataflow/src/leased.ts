/**
 * A value that its consumer gives back: until `release` is called, it counts against the bound of the source that
 * emitted it (see `fromPull`).
 */
export interface Leased<T> {
  readonly value: T;
  /** Gives the value back; calling it again changes nothing. */
  release(): void;
}
