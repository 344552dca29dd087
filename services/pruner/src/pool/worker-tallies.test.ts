import type { WorkerConnection } from '@esparse/protocol';
import { createWorkerTallies } from './worker-tallies.ts';

const connection = (address: string, ready: number, trouble?: string) =>
  ({ address, ready, trouble }) as WorkerConnection;

test('a worker has what it has done, how fast it was while it worked, and what it has failed at', () => {
  const clock = { ms: 0 };
  const worker = connection('a:1', 1);
  const tallies = createWorkerTallies([worker], () => clock.ms);
  const first = tallies.begin(worker, { size: 300 });
  const second = tallies.begin(worker, { size: 100 });
  clock.ms = 2000;
  first('done');
  second('failed');
  // Waiting makes no worker slower.
  clock.ms = 60_000;
  tallies.begin(worker, { size: 1 })('cancelled');
  expect(tallies.figures()).toEqual([
    { worker: 'a:1', connected: 1, running: 0, done: 1, failed: 1, tokens: 300, rate: 150 },
  ]);
});

test('one that cannot be reached says why, and its greatest memory is kept', () => {
  const worker = connection(
    'a:1',
    0,
    'round_robin: No connection established. Last error: Error: connect ECONNREFUSED. Resolution note: ',
  );
  const tallies = createWorkerTallies([worker]);
  tallies.memory(worker, 7);
  tallies.memory(worker, 5);
  expect(tallies.figures()[0]).toMatchObject({
    connected: 0,
    trouble: 'connect ECONNREFUSED',
    peakResidentBytes: 7,
  });
});
