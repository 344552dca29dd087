import type { RunEvent } from '../events.ts';
import type { WorkerPool } from '../pool/worker-pool.ts';
import type { OperatorMeter } from './meter.ts';

/** How often operators and workers are reported, and how often workers are asked for their memory. */
const REPORT_MS = 1_000;
const MEMORY_MS = 5_000;

/** What is watched, and who is told. */
export interface Observed {
  readonly meter: OperatorMeter;
  readonly pool: WorkerPool;
  readonly emit: (event: RunEvent) => void;
}

/**
 * Emits what operators and workers do, once a second.
 *
 * @returns ends it, with what the last moment had
 */
export function observe({ meter, pool, emit }: Observed): () => void {
  const report = () => {
    const taken = meter.take();
    if (taken !== undefined) emit({ event: 'operators', ...taken });
    emit({ event: 'workers', workers: pool.tallies.figures() });
  };
  const ended = new AbortController();
  const asked = new Set<string>();
  const askForMemory = () => {
    for (const worker of pool.workers) {
      // One that takes long to answer is not asked again meanwhile.
      if (worker.ready === 0 || asked.has(worker.address)) continue;
      asked.add(worker.address);
      worker
        .describe(ended.signal)
        .then(
          ({ peakResidentBytes }) => {
            pool.tallies.memory(worker, peakResidentBytes);
          },
          () => undefined,
        )
        .finally(() => asked.delete(worker.address));
    }
  };
  askForMemory();
  const timers = [setInterval(report, REPORT_MS), setInterval(askForMemory, MEMORY_MS)];
  return () => {
    for (const timer of timers) clearInterval(timer);
    ended.abort();
    report();
  };
}
