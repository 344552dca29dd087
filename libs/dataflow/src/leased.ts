/**
 * A value that its consumer releases: until then, it counts against the bound of the source that
 * emitted it (see `fromPull`).
 */
export interface Leased<T> {
  readonly value: T;
  /** Releases the value; calling it again changes nothing. */
  release(): void;
}
