import { context, SpanStatusCode, trace as api, type Context } from '@opentelemetry/api';

/** Attributes of a span. Names begin with `esparse.`; what is undefined is left out. */
export type SpanAttributes = Readonly<
  Record<string, string | number | boolean | readonly number[] | undefined>
>;

/** A span that is open. */
export interface OpenSpan {
  /** Runs something inside: spans that it begins, at once or later, are children of this one. */
  within<T>(work: () => T): T;
  set(attributes: SpanAttributes): void;
  /** Ends it; once ended, nothing changes it. @param error - What the work failed with. */
  end(error?: unknown): void;
}

/** Makes spans: of the provider that `startTelemetry` has registered, else of one that does nothing. */
const tracer = () => api.getTracer('esparse');

/** Opens a span. @param under - Its parent. @default the one that is active here */
export function beginSpan(name: string, attributes: SpanAttributes = {}, under?: OpenParent): OpenSpan {
  const parent = under?.context ?? context.active();
  const span = tracer().startSpan(name, { attributes: defined(attributes) }, parent);
  const inside = api.setSpan(parent, span);
  return {
    within: (work) => context.with(inside, work),
    set(more) {
      span.setAttributes(defined(more));
    },
    end(error) {
      if (error !== undefined) {
        const message = messageOf(error);
        span.recordException(message);
        span.setStatus({ code: SpanStatusCode.ERROR, message });
      }
      span.end();
    },
  };
}

/** The span that is active somewhere, to open children of it from elsewhere. */
export interface OpenParent {
  readonly context: Context;
  /** Runs something inside it. */
  within<T>(work: () => T): T;
}

/** The span that is active here: for callbacks of timers and queues, which run in any context. */
export function activeSpan(): OpenParent {
  const here = context.active();
  return { context: here, within: (work) => context.with(here, work) };
}

/** Runs work as a span, a child of the one that is active here; an error marks it and is thrown on. */
export async function trace<T>(
  name: string,
  attributes: SpanAttributes,
  work: (span: OpenSpan) => Promise<T>,
): Promise<T> {
  const span = beginSpan(name, attributes);
  try {
    const value = await span.within(() => work(span));
    span.end();
    return value;
  } catch (error) {
    span.end(error);
    throw error;
  }
}

function defined(attributes: SpanAttributes) {
  return Object.fromEntries(
    Object.entries(attributes).flatMap(([key, value]) =>
      value === undefined ? [] : [[key, typeof value === 'object' ? [...value] : value] as const],
    ),
  );
}

function messageOf(error: unknown): string {
  return typeof error === 'object' && error !== null && 'message' in error
    ? String(error.message)
    : String(error);
}
