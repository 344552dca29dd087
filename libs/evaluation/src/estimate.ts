/** A mean over independent parts of a set, and how far off it may be. */
export interface Estimate {
  readonly value: number;
  /** Standard deviation of the parts (that of a sample) over the root of their number; NaN of a single one. */
  readonly standardError: number;
}

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Of the mean of values that were drawn independently. */
export function standardError(values: readonly number[]): number {
  const middle = mean(values);
  const squares = values.reduce((sum, value) => sum + (value - middle) ** 2, 0);
  return Math.sqrt(squares / (values.length - 1) / values.length);
}

/** How much larger the values of the one are than those of the other on the same parts: less noise than two estimates. */
export function pairedDifference(one: readonly number[], other: readonly number[]): Estimate {
  const differences = one.map((value, i) => value - other[i]!);
  return { value: mean(differences), standardError: standardError(differences) };
}
