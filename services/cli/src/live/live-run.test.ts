import { after, NO_STATE, type LiveEvent } from '@esparse/report-page';
import { started } from '../testing/prune-events.ts';
import { LiveRun } from './live-run.ts';

const time = '2026-11-28T12:00:00.000Z';
const progress = (done: number, block = 1): LiveEvent => ({
  ...{ event: 'progress', time, block, phase: 'calibrate', done, total: 9, unit: 'tokens' },
});

test('of steps within a phase viewers get the last one of the moment, and of other events all', () => {
  const live = new LiveRun();
  const news: string[] = [];
  live.listen((text) => news.push(text));
  for (const event of [started(2), progress(1), progress(2), progress(3)]) live.push(event);
  live.push({ event: 'note', time, message: 'a' });
  live.push({ event: 'note', time, message: 'b' });
  live.push(progress(1, 2));
  live.flush();
  expect(news).toHaveLength(1);
  const events = JSON.parse(news[0]!) as LiveEvent[];
  expect(events.map(({ event }) => event)).toEqual([
    ...['started', 'progress', 'note', 'note', 'progress', 'estimate'],
  ]);
  expect(events[1]).toMatchObject({ done: 3 });
});

test('what viewers make of the news is the state of the server', () => {
  const live = new LiveRun();
  let state = NO_STATE;
  live.listen((text) => {
    state = (JSON.parse(text) as LiveEvent[]).reduce(after, state);
  });
  for (let i = 0; i < 50; i++) {
    live.push(i === 0 ? started(2) : progress(i % 9, 1 + (i % 2)));
    if (i % 7 === 0) live.flush();
  }
  const server = JSON.parse(JSON.stringify(live.state)) as unknown;
  expect(JSON.parse(JSON.stringify(state))).toEqual(server);
});

test('the time that is left is known once a block has been measured, by the clock of the events', () => {
  const live = new LiveRun();
  const at = (seconds: number) => new Date(Date.UTC(2020, 0, 1) + 1000 * seconds).toISOString();
  live.push({ ...started(3), time: at(0) });
  live.push({ ...progress(0, 1), time: at(0) });
  expect(live.state.estimate.left).toBeUndefined();
  live.push({ ...progress(0, 2), time: at(10) });
  expect(live.state.estimate.left).toBeGreaterThan(10_000);
  const { left } = live.state.estimate;
  live.push({ event: 'note', time: at(12), message: 'two seconds later' });
  expect(live.state.estimate.left).toBe(left! - 2_000);
});

test('nobody who listens no more is told', () => {
  const live = new LiveRun();
  const news: string[] = [];
  live.listen((text) => news.push(text))();
  live.push(progress(1));
  live.flush();
  expect(news).toEqual([]);
});
