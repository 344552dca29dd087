/** A number with the digits that say something: 1830, 12.4, 0.0042. */
export function shortNumber(value: number): string {
  if (!Number.isFinite(value)) return '-';
  const size = Math.abs(value);
  if (size >= 1e6 || (size > 0 && size < 1e-3)) return value.toExponential(2);
  if (Number.isInteger(value) || size >= 1000) return value.toFixed(0);
  return String(Number(value.toPrecision(4)));
}

/** A share: 56.25 %. */
export function percent(share: number): string {
  return `${(100 * share).toFixed(2)} %`;
}
