import { context, propagation } from '@opentelemetry/api';

/** What names the active span to another process: the W3C header `traceparent`. Empty where nothing is traced. */
export function traceHeaders(): Readonly<Record<string, string>> {
  const headers: Record<string, string> = {};
  propagation.inject(context.active(), headers);
  return headers;
}

/**
 * Runs work as a child of a span of another process. A header that is missing or malformed counts as none.
 *
 * @param header - Gives a header of the request by its name.
 */
export function withRemoteParent<T>(header: (name: string) => string | undefined, work: () => T): T {
  const remote = propagation.extract(context.active(), undefined, {
    keys: () => [],
    get: (_, name) => header(name),
  });
  return context.with(remote, work);
}
