import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { EngineState, StepReport } from '../engine/messages.ts';
import type { GenerationObserver } from '../generate/token-times.ts';
import { deviceMetrics } from './device-metrics.ts';
import type { EventLoopStall } from './event-loop.ts';

/** What the server counts and measures. */
export interface Metrics extends GenerationObserver {
  step(report: StepReport): void;
  request(labels: RequestLabels, seconds: number): void;
  swap(outcome: 'done' | 'refused'): void;
  /** In Prometheus' text format. Reading changes nothing. */
  read(): Promise<string>;
  readonly contentType: string;
}

export interface RequestLabels {
  /** The route's pattern, never the requested path: labels must be few. */
  readonly route: string;
  readonly method: string;
  readonly status: number | string;
}

export interface MetricsSources {
  state(): EngineState;
  /** Slots of the admission that are held: texts that wait or run. */
  admitted(): number;
  readonly eventLoop: EventLoopStall;
}

const PREFIX = 'esparse_';
const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];
const TOKENS = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096];
const BATCHES = [1, 2, 4, 8, 12, 16, 24, 32, 48, 64];

/** Makes the metrics in a registry of their own. */
export function createMetrics({ state, admitted, eventLoop }: MetricsSources): Metrics {
  const registry = new Registry();
  const registers = [registry];

  const gauge = (name: string, help: string, value: () => number) =>
    new Gauge({
      name: PREFIX + name,
      help,
      registers,
      collect() {
        this.set(value());
      },
    });
  const counter = <L extends string = never>(name: string, help: string, labelNames: L[] = []) =>
    new Counter<L>({ name: PREFIX + name, help, registers, labelNames });
  const histogram = <L extends string = never>(
    name: string,
    help: string,
    buckets: number[],
    labelNames: L[] = [],
  ) => new Histogram<L>({ name: PREFIX + name, help, registers, buckets, labelNames });

  gauge('queue_length', 'Texts that wait for a place in the batch.', () => state().queued);
  gauge('running_sequences', 'Texts in the batch.', () => state().running);
  gauge(
    'admitted_texts',
    'Texts that were let in and have not ended: tokenized, waiting or running.',
    admitted,
  );
  gauge('kv_pages', 'Pages of the key-value cache.', () => state().pages);
  gauge('kv_pages_free', 'Pages of the key-value cache that no text has reserved.', () => state().freePages);
  gauge('resident_memory_bytes', 'Resident memory, mapped weights included.', () =>
    process.memoryUsage.rss(),
  );
  gauge(
    'event_loop_stall_seconds_max',
    'Longest stall of the event loop in the last 30 to 60 s.',
    () => eventLoop.recent().max,
  );
  gauge(
    'event_loop_stall_seconds_p99',
    '99th percentile of the event loop delay in the last 30 to 60 s.',
    () => eventLoop.recent().p99,
  );
  gauge(
    'event_loop_stall_seconds_longest',
    'Longest stall of the event loop since the server was ready.',
    () => eventLoop.longest(),
  );

  const promptTokens = counter('prompt_tokens_total', 'Prompt tokens read.');
  const generatedTokens = counter('generated_tokens_total', 'Tokens generated.');
  const batch = histogram('batch_sequences', 'Sequences in a step.', BATCHES);
  const stepTokens = histogram(
    'step_tokens',
    'Tokens that a step takes in: of prompts, and generated ones.',
    TOKENS,
  );
  const stepSeconds = histogram('step_seconds', 'Time of a step.', SECONDS);
  const firstToken = histogram('time_to_first_token_seconds', 'From a request to its first token.', SECONDS);
  const perToken = histogram(
    'time_per_output_token_seconds',
    'Between two tokens of a text, its mean.',
    SECONDS,
  );
  const requests = counter('requests_total', 'Requests by route and status.', ['route', 'method', 'status']);
  const requestSeconds = histogram('request_seconds', 'Time of a request, streams to their end.', SECONDS, [
    'route',
  ]);
  const swaps = counter('model_swaps_total', 'New runs that replaced the served one, or were refused.', [
    'outcome',
  ]);

  deviceMetrics(registers, () => state().devices);

  return {
    step({ batch: sequences, tokens, prefillTokens, events, seconds }) {
      batch.observe(sequences);
      stepTokens.observe(tokens);
      stepSeconds.observe(seconds);
      promptTokens.inc(prefillTokens);
      generatedTokens.inc(events.filter((event) => !('error' in event) && event.token !== undefined).length);
    },
    firstToken(seconds) {
      firstToken.observe(seconds);
    },
    perToken(seconds) {
      perToken.observe(seconds);
    },
    request({ route, method, status }, seconds) {
      requests.inc({ route, method, status });
      requestSeconds.observe({ route }, seconds);
    },
    swap(outcome) {
      swaps.inc({ outcome });
    },
    read: () => registry.metrics(),
    contentType: registry.contentType,
  };
}
