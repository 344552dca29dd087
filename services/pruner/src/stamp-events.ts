import type { PruneEvent, RunEvent } from './events.ts';

/**
 * What gives a run's events to `emit`: with their time, with the run's name once it has one, and with blocks counted from 1,
 * as people count them and the lines and bars of `esparse prune` show them. Stores, logs and traces count from 0.
 */
export function stampEvents(
  emit: (event: PruneEvent) => void,
  now: () => Date = () => new Date(),
): (event: RunEvent) => void {
  let run: string | undefined;
  return (event) => {
    if (event.event === 'started') ({ run } = event);
    const counted = 'block' in event ? { ...event, block: event.block + 1 } : event;
    emit({ time: now().toISOString(), ...(run !== undefined && { run }), ...counted });
  };
}
