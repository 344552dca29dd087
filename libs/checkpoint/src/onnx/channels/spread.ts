/** So many equal parts; the last one has what is left. */
export function spread(size: number, count: number): number[] {
  const each = Math.ceil(size / count);
  return Array.from({ length: count }, (_, i) => Math.max(0, Math.min(each, size - i * each)));
}
