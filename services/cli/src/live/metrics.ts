import type { LiveState } from '@esparse/report-page';
import { Gauge, Registry } from 'prom-client';

/** What a pruner does, in Prometheus' text format. */
export interface PruneMetrics {
  readonly contentType: string;
  read(state: LiveState): Promise<string>;
}

const PREFIX = 'esparse_prune_';

/** Everything is read off the state when somebody asks: a run without a scraper pays nothing. */
export function createPruneMetrics(): PruneMetrics {
  const registry = new Registry();
  const gauge = <L extends string = never>(name: string, help: string, labelNames: L[] = []) =>
    new Gauge<L>({ name: PREFIX + name, help, registers: [registry], labelNames });
  const blocks = gauge('blocks', 'Blocks of the model.');
  const committed = gauge('blocks_committed', 'Blocks that are committed.');
  const done = gauge('done_ratio', 'The share of the run that is done, as it is estimated.');
  const left = gauge(
    'seconds_left',
    'Seconds that the run still takes, as it is estimated; absent before it is known.',
  );
  const spent = gauge('operator_seconds', 'Seconds of each operator since the run began, by what it did.', [
    'operator',
    'state',
  ]);
  const items = gauge('operator_done', 'What each operator has done since the run began.', [
    'operator',
    'unit',
  ]);
  const queue = gauge('operator_queue', 'What waits for each operator.', ['operator']);
  const connected = gauge('worker_connected', 'Workers that are connected, by their address.', ['worker']);
  const tokens = gauge('worker_tokens', 'Tokens of the tasks that a worker has done.', ['worker']);
  const failed = gauge('worker_failed_tasks', 'Tasks that a worker has failed at.', ['worker']);
  const memory = gauge('worker_peak_resident_bytes', 'Peak memory of a worker.', ['worker']);
  return {
    contentType: registry.contentType,
    read(state) {
      registry.resetMetrics();
      blocks.set(state.blocks.length);
      committed.set(state.blocks.filter((block) => block.committed !== undefined).length);
      done.set(state.estimate.done);
      if (state.estimate.left === undefined) left.remove();
      else left.set(state.estimate.left / 1000);
      for (const [operator, seconds] of Object.entries(state.operatorSeconds)) {
        for (const what of ['busy', 'backpressured', 'idle'] as const)
          spent.set({ operator, state: what }, seconds[what]);
      }
      for (const { operator, unit, done: count, queue: waiting } of state.operators) {
        items.set({ operator, unit }, count);
        queue.set({ operator }, waiting);
      }
      for (const worker of state.workers) {
        const labels = { worker: worker.worker };
        connected.set(labels, worker.connected);
        tokens.set(labels, worker.tokens);
        failed.set(labels, worker.failed);
        if (worker.peakResidentBytes !== undefined) memory.set(labels, worker.peakResidentBytes);
      }
      return registry.metrics();
    },
  };
}
