import type { PruneEvent, RunEvent } from './events.ts';
import { stampEvents } from './stamp-events.ts';

const STARTED: RunEvent = {
  event: 'started',
  run: 'abc',
  model: 'm',
  family: 'llama',
  blocks: 2,
  pipeline: 'e-sparse',
  pattern: '2:4',
  shuffle: 'both',
  samples: 8,
  seqlen: 64,
  shards: 1,
  workers: ['127.0.0.1:1'],
};

test('every event has its time and, from the start on, its run; blocks count from 1', () => {
  const emitted: PruneEvent[] = [];
  let seconds = 0;
  const emit = stampEvents(
    (event) => emitted.push(event),
    () => new Date(1000 * seconds++),
  );
  emit({ event: 'note', message: 'opening' });
  emit(STARTED);
  emit({ event: 'progress', block: 0, phase: 'calibrate', done: 1, total: 2, unit: 'tokens' });
  emit({ event: 'committed', block: 1, blocks: 2, seconds: 3, bytes: 8 });
  emit({ event: 'retry', task: 'open', why: 'failed', shards: [0], worker: 'w', message: 'again' });
  expect(emitted).toEqual([
    { time: '1970-01-01T00:00:00.000Z', event: 'note', message: 'opening' },
    { time: '1970-01-01T00:00:01.000Z', ...STARTED },
    expect.objectContaining({ time: '1970-01-01T00:00:02.000Z', run: 'abc', block: 1 }),
    expect.objectContaining({ time: '1970-01-01T00:00:03.000Z', run: 'abc', block: 2, blocks: 2 }),
    expect.not.objectContaining({ block: expect.anything() }),
  ]);
});
