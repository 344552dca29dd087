import { progress, started } from '../testing/prune-events.ts';
import { PruneScreen } from './screen.ts';

test('the phase that has taken most of the time so far is named with its share, and the memory', () => {
  let now = 0;
  const screen = new PruneScreen(
    () => now,
    () => 3 * 2 ** 20,
  );
  screen.update(started(2));
  screen.update(progress(1, 'calibrate', 0, 512));
  now = 2_000;
  screen.update(progress(1, 'prune', 0, 7));
  expect(screen.lines(80)).toContain('most time  calibrate 100 %, memory 3.00 MiB');
  now = 8_000;
  // Pruning is under way: its time counts all the same.
  expect(screen.lines(80)).toContain('most time  prune 75 %, memory 3.00 MiB');
  screen.update(progress(2, 'calibrate', 0, 512));
  now = 18_000;
  expect(screen.lines(80)).toContain('most time  calibrate 67 %, memory 3.00 MiB');
});

test('the operator that has worked most since the run began is named as the slowest', () => {
  const screen = new PruneScreen(() => 0);
  const idle = { backpressured: 0, idle: 0, done: 0, rate: 0, unit: 'rows', queue: 0 };
  const operators = (entropy: number, shuffle: number) => {
    screen.update({
      ...{ time: '2026-11-28T12:00:00.000Z', event: 'operators', seconds: 1 },
      operators: [
        { ...idle, operator: 'statistic:entropy', busy: entropy },
        { ...idle, operator: 'shuffle:both', busy: shuffle },
      ],
    });
  };
  screen.update(started(2));
  screen.update(progress(1, 'calibrate', 0, 512));
  expect(screen.lines(80).join('\n')).not.toContain('slowest');
  operators(0.9, 0);
  operators(0.1, 0.4);
  expect(screen.lines(80)).toContain('slowest    statistic:entropy, busy 50 % of the time');
});
