import { status, type Metadata } from '@grpc/grpc-js';
import { toServiceError } from '@esparse/protocol';
import { trace, withRemoteParent } from '@esparse/telemetry';
import type { Logger } from 'pino';
import type { WorkerMetrics } from './metrics.ts';

/** Where calls are recorded. */
export interface CallObservers {
  readonly log: Logger;
  readonly metrics?: WorkerMetrics | undefined;
}

/** A call as it came: its request is read for the ids alone. */
interface ObservedCall {
  readonly request: unknown;
  readonly metadata: Metadata;
}

/** Shards that a log line or a span names at most: one call may be of thousands. */
const MAX_SHARDS_NAMED = 16;

/**
 * Records a call while it runs: a span that continues the pruner's, a line of the log at its end, and the metrics;
 * line and span name run, block and shards.
 */
export async function observeCall<T>(
  { log, metrics }: CallObservers,
  method: string,
  { request, metadata }: ObservedCall,
  work: () => Promise<T>,
): Promise<T> {
  const ids = idsOf(request);
  const started = performance.now();
  const header = (name: string) => metadata.get(name)[0]?.toString();
  const attributes = { 'esparse.run': ids.run, 'esparse.block': ids.block, 'esparse.shards': ids.shards };
  try {
    const value = await withRemoteParent(header, () => trace(method, attributes, work));
    metrics?.call(method, 'OK', (performance.now() - started) / 1000);
    log.debug({ call: method, ...ids, ms: Math.round(performance.now() - started) }, 'done');
    return value;
  } catch (error) {
    const { code, message } = toServiceError(error);
    metrics?.call(method, status[code], (performance.now() - started) / 1000);
    // Who cancels a call knows it: that is no failure.
    const level = code === status.CANCELLED ? 'debug' : 'warn';
    log[level]({ call: method, ...ids, code, err: message }, 'failed');
    throw error;
  }
}

interface Ids {
  readonly run?: string;
  readonly block?: number;
  readonly shards?: readonly number[];
}

/** What a request is about; a run that does not look like one, or is all zeros since it has no name yet, is not repeated. */
function idsOf(request: unknown): Ids {
  const { run, block, shard, shards } = request as {
    readonly run?: { readonly run: string } | null;
    readonly block?: number;
    readonly shard?: number;
    readonly shards?: readonly number[];
  };
  const named = shards ?? (shard === undefined ? undefined : [shard]);
  return {
    ...(run != null && /^(?!0+$)[0-9a-f]{8,64}$/.test(run.run) ? { run: run.run } : {}),
    ...(block === undefined ? {} : { block }),
    ...(named === undefined ? {} : { shards: named.slice(0, MAX_SHARDS_NAMED) }),
  };
}
