import { isDeepStrictEqual } from 'node:util';

/** @throws Error with both lists where they are not equal, item by item */
export function compare(what: string, seen: readonly unknown[], expected: readonly unknown[]): void {
  if (seen.length === expected.length && seen.every((item, i) => equal(item, expected[i]))) return;
  const list = (items: readonly unknown[]) => items.map((item) => `\n  ${show(item)}`).join('') || ' none';
  throw new Error(`${what} seen:${list(seen)}\nexpected:${list(expected)}`);
}

/** Deep equality, in which a matcher of Jest or Vitest stands for what it matches. */
function equal(seen: unknown, expected: unknown): boolean {
  if (isMatcher(expected)) return expected.asymmetricMatch(seen);
  if (isPlain(seen) && isPlain(expected)) {
    const keys = Object.keys(expected);
    return (
      keys.length === Object.keys(seen).length &&
      keys.every((key) => Object.hasOwn(seen, key) && equal(seen[key], expected[key]))
    );
  }
  return isDeepStrictEqual(seen, expected);
}

function isMatcher(value: unknown): value is { asymmetricMatch(other: unknown): boolean } {
  return typeof value === 'object' && value !== null && 'asymmetricMatch' in value;
}

function isPlain(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}

function show(item: unknown): string {
  return JSON.stringify(item, (_, value: unknown) =>
    value instanceof Error ? `${value.name}: ${value.message}` : value === Infinity ? 'never' : value,
  );
}
