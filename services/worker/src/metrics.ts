import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Counter, Gauge, Histogram, Registry } from 'prom-client';

/** What a worker counts and measures. */
export interface WorkerMetrics {
  /** A call that has ended. @param status - A gRPC status by its name. */
  call(method: string, status: string, seconds: number): void;
  /** A tile of activations was handed to the connection. */
  tile(bytes: number): void;
  /** A sequence was run through a block. */
  sequence(block: number): void;
  /** In Prometheus' text format. Reading changes nothing. */
  read(): Promise<string>;
  readonly contentType: string;
  stop(): void;
}

export interface WorkerMetricsSources {
  /** Calls that wait for the one that computes. */
  waiting(): number;
}

const PREFIX = 'esparse_worker_';
/** A block over a shard takes from milliseconds, of small models, to minutes. */
const SECONDS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600];
const RESOLUTION_MS = 10;

/** Makes the metrics in a registry of their own. */
export function createWorkerMetrics({ waiting }: WorkerMetricsSources): WorkerMetrics {
  const registry = new Registry();
  const registers = [registry];
  const monitor = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  monitor.enable();

  const gauge = (name: string, help: string, value?: () => number) =>
    new Gauge({
      name: PREFIX + name,
      help,
      registers,
      ...(value === undefined
        ? {}
        : {
            collect() {
              this.set(value());
            },
          }),
    });
  const counter = <L extends string = never>(name: string, help: string, labelNames: L[] = []) =>
    new Counter<L>({ name: PREFIX + name, help, registers, labelNames });

  const calls = counter('calls_total', 'Calls that have ended, by method and gRPC status.', [
    'method',
    'status',
  ]);
  const seconds = new Histogram({
    name: `${PREFIX}call_seconds`,
    help: 'Time of a call, the wait for its turn included.',
    registers,
    buckets: SECONDS,
    labelNames: ['method'],
  });
  const tiles = counter('tiles_sent_total', 'Tiles of activations sent.');
  const bytes = counter('tile_bytes_sent_total', 'Bytes of the activations in them.');
  const sequences = counter('sequences_total', 'Sequences run through a block.');
  const block = gauge('block', 'Block that a sequence was run through last.');
  gauge('waiting_calls', 'Calls that wait for the one that computes.', waiting);
  gauge('resident_memory_bytes', 'Resident memory.', () => process.memoryUsage.rss());
  gauge('event_loop_lag_seconds_p99', '99th percentile of the delay of the event loop since the start.', () =>
    Math.max(0, monitor.percentile(99) / 1e9 - RESOLUTION_MS / 1000),
  );

  return {
    call(method, status, took) {
      calls.inc({ method, status });
      seconds.observe({ method }, took);
    },
    tile(size) {
      tiles.inc();
      bytes.inc(size);
    },
    sequence(number) {
      sequences.inc();
      block.set(number);
    },
    read: () => registry.metrics(),
    contentType: registry.contentType,
    stop() {
      monitor.disable();
    },
  };
}
