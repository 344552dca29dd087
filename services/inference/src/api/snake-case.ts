/** A name of ours as the HTTP API writes it: 'topP' is 'top_p'. */
export type SnakeCase<S extends string> = S extends `${infer First}${infer Rest}`
  ? `${First extends Lowercase<First> ? First : `_${Lowercase<First>}`}${SnakeCase<Rest>}`
  : '';

export function snakeCase<S extends string>(name: S): SnakeCase<S> {
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`) as SnakeCase<S>;
}

/** The same values under names of the HTTP API, at every depth. */
export function snakeCased(values: object): Record<string, unknown> {
  const entries = Object.entries(values).map(([name, value]: [string, unknown]) => [
    snakeCase(name),
    isObject(value) ? snakeCased(value) : value,
  ]);
  return Object.fromEntries(entries) as Record<string, unknown>;
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
