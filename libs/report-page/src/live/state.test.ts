import type { LiveEvent } from './events.ts';
import { after, MAX_LINES, NO_STATE, type LiveState } from './state.ts';

const at = (seconds: number) => new Date(Date.UTC(2026, 0, 1) + 1000 * seconds).toISOString();
const started = (run: string, time = at(0)): LiveEvent => ({
  ...{ event: 'started', time, run, model: 'm', family: 'llama', blocks: 2, pipeline: 'e-sparse' },
  ...{ pattern: '2:4', shuffle: 'both', samples: 4, seqlen: 8, shards: 1, workers: ['w:1'] },
});
const progress = (block: number, phase: string, done: number, seconds: number): LiveEvent => ({
  ...{ event: 'progress', time: at(seconds), block, phase, done, total: 100, unit: 'tokens' },
});
const linear = (block: number, name: string): LiveEvent => ({
  ...{ event: 'linear', time: at(3), block, linear: name, keptScoreGain: 0.1, bytes: 9, denseBytes: 16 },
});
const EVENTS: readonly LiveEvent[] = [
  started('r'),
  progress(1, 'calibrate', 10, 1),
  progress(1, 'calibrate', 90, 2),
  progress(1, 'prune', 1, 3),
  linear(1, 'q_proj'),
  {
    ...{ event: 'operators', time: at(3), seconds: 2 },
    operators: [
      {
        operator: 'tap',
        busy: 0.5,
        backpressured: 0.25,
        idle: 0.25,
        done: 9,
        rate: 3,
        unit: 'tokens',
        queue: 1,
      },
    ],
  },
  { event: 'committed', time: at(4), block: 1, seconds: 4, bytes: 99 },
  { event: 'retry', time: at(5), worker: 'w:1', message: 'gone' },
];
const stateOf = (events: readonly LiveEvent[], from: LiveState = NO_STATE) => events.reduce(after, from);

test('a reload loses nothing: the state at any moment, sent as JSON, and the events since give the same state', () => {
  const whole = stateOf(EVENTS);
  for (let i = 0; i <= EVENTS.length; i++) {
    const sent = JSON.parse(JSON.stringify(stateOf(EVENTS.slice(0, i)))) as LiveState;
    expect(JSON.parse(JSON.stringify(stateOf(EVENTS.slice(i), sent)))).toEqual(
      JSON.parse(JSON.stringify(whole)),
    );
  }
});

test('a phase that another one follows is over, until the run itself says when it was', () => {
  const { blocks } = stateOf(EVENTS);
  expect(blocks[0]!.phases).toEqual([{ phase: 'calibrate', begun: at(1), ended: at(3), seconds: 2 }]);
  const said = { phase: 'calibrate', begun: at(0), ended: at(2), seconds: 1.5 };
  const told = stateOf([...EVENTS, { event: 'phase', time: at(6), block: 1, ...said }]);
  expect(told.blocks[0]!.phases).toEqual([said]);
});

test('seconds of operators sum up over the run', () => {
  const { operatorSeconds } = stateOf([...EVENTS, EVENTS[5]!]);
  expect(operatorSeconds.tap).toEqual({ busy: 2, backpressured: 1, idle: 1 });
});

test('a second attempt keeps what the first has done; another run begins anew', () => {
  expect(stateOf([...EVENTS, started('r', at(9))]).blocks[0]!.committed?.bytes).toBe(99);
  expect(stateOf([...EVENTS, started('other', at(9))]).blocks[0]!.committed).toBeUndefined();
});

test('what is kept is bounded, and blocks that the model does not have are left out', () => {
  const notes = Array.from({ length: 2 * MAX_LINES }, (_, i): LiveEvent => ({
    ...{ event: 'note', time: at(i), message: 'x'.repeat(5_000) },
  }));
  const state = stateOf([...EVENTS, ...notes, { event: 'committed', time: at(9), block: 77, seconds: 1 }]);
  expect(state.log).toHaveLength(MAX_LINES);
  expect(state.log[0]!.text).toHaveLength(1_000);
  expect(state.blocks).toHaveLength(2);
});

test('a run that ends before its end is stopped, and says why', () => {
  const state = stateOf([...EVENTS, { event: 'ended', time: at(9), message: 'stopped by SIGINT' }]);
  expect(state).toMatchObject({ state: 'stopped', progress: undefined });
  expect(state.log.at(-1)!.text).toBe('stopped by SIGINT');
});
