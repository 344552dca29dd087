import type { LiveWorker } from '../../src/live/events.ts';
import { element, uniqueId } from '../dom.ts';
import { liveTable } from '../table.ts';
import type { LivePart } from './view.ts';
import { bytesInWords } from '../../src/units.ts';
import { count } from './words.ts';

/** Workers, each with what it does. */
export function workersFigure(): LivePart {
  const id = uniqueId('workers');
  const title = element('h3', { id });
  const shown = liveTable('Workers');
  const part = element(
    'section',
    { class: 'panel', 'aria-labelledby': id },
    title,
    element(
      'p',
      { class: 'quiet' },
      'Tasks are parts of a block over some sequences; one that fails goes to another worker.',
    ),
    shown.element,
  );
  return {
    element: part,
    draw({ workers, started, state, source }) {
      part.hidden = workers.length === 0 && source?.detail === 'store';
      const away = workers.filter(({ connected }) => connected === 0);
      title.textContent =
        workers.length === 0
          ? (started?.workers.length ?? 0) === 0
            ? 'Workers: nothing is known of them'
            : 'Workers'
          : away.length === 0 || state !== 'running'
            ? `${workers.length} ${workers.length === 1 ? 'worker' : 'workers'}`
            : `${away.length} of ${workers.length} workers cannot be reached`;
      shown.show({
        columns: ['worker', 'state', 'tasks done', 'failed', 'tokens/s', 'peak memory'],
        rows: workers.map((worker) => [
          worker.worker,
          stateOf(worker),
          worker.done,
          worker.failed,
          count(worker.rate),
          worker.peakResidentBytes === undefined ? undefined : bytesInWords(worker.peakResidentBytes),
        ]),
      });
    },
  };
}

function stateOf({ connected, running, trouble }: LiveWorker): string {
  if (connected === 0) return `away${trouble === undefined ? '' : `: ${trouble}`}`;
  const several = connected > 1 ? ` (${connected} connected)` : '';
  return `${running > 0 ? `works at ${running} ${running === 1 ? 'task' : 'tasks'}` : 'idle'}${several}`;
}
