import { lastValueFrom, timer } from 'rxjs';
import { createStopwatch } from './stopwatch.ts';

function clock() {
  let now = 0;
  return { now: () => now, pass: (ms: number) => (now += ms) };
}

test('seconds of a phase add up, also where the work fails', async () => {
  const { now, pass } = clock();
  const stopwatch = createStopwatch(now);
  await stopwatch.time('prune', () => Promise.resolve(pass(1500)));
  await expect(
    stopwatch.time('prune', () => {
      pass(500);
      return Promise.reject(new Error('broken'));
    }),
  ).rejects.toThrow('broken');
  expect(stopwatch.seconds()).toMatchObject({ prune: 2, commit: 0 });
});

test('a stream is timed from its subscription to its end, not from its making', async () => {
  const { now, pass } = clock();
  const stopwatch = createStopwatch(now);
  const measured$ = timer(1).pipe(stopwatch.measure('advance'));
  pass(1000);
  const done = lastValueFrom(measured$);
  pass(250);
  await done;
  expect(stopwatch.seconds().advance).toBe(0.25);
});

test('laps have the phases since the laps before: their first begin, their last end, and what they took of it', async () => {
  const { now, pass } = clock();
  const stopwatch = createStopwatch(now);
  const take = (phase: 'prune' | 'commit', ms: number) =>
    stopwatch.time(phase, () => Promise.resolve(pass(ms)));
  await take('prune', 100);
  await take('commit', 30);
  await take('prune', 200);
  expect(stopwatch.takeLaps()).toEqual([
    { phase: 'prune', begun: 0, ended: 330, seconds: expect.closeTo(0.3) },
    { phase: 'commit', begun: 100, ended: 130, seconds: 0.03 },
  ]);
  expect(stopwatch.takeLaps()).toEqual([]);
});
