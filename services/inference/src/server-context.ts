import type { HostGuard } from '@esparse/protocol';
import type { TextService } from './generate/service.ts';
import type { EventLoopPacer } from './generate/event-loop-pacer.ts';
import type { Metrics } from './metrics/metrics.ts';
import type { ApiKeys } from '@esparse/protocol';

/** Limits that clients meet; `/info` shows them. */
export interface ServerLimits {
  readonly bodyBytes: number;
  readonly requestSeconds: number;
  readonly connections: number;
  readonly maxSequences: number;
  readonly maxQueue: number;
}

/** What HTTP routes and gRPC methods work with. */
export interface ServerContext {
  readonly service: TextService;
  readonly metrics: Metrics;
  /** Requests that come at once are taken in one a turn; what follows is spread by the processes that make their texts tokens. */
  readonly nextTurn: EventLoopPacer;
  /** Undefined where no key is needed. */
  readonly keys: ApiKeys | undefined;
  readonly limits: ServerLimits;
  /** Which Host a request over HTTP may name. */
  readonly allowsHost: HostGuard;
}
