import type { PrunedLinear } from '@esparse/dataflow';
import type { RunEvent } from './events.ts';
import { linearEvents } from './linear-events.ts';
import type { RunContext } from './run-context.ts';

/** Of a block of two linears, with a clock of the test's. */
function recorded() {
  const emitted: RunEvent[] = [];
  const clock = { ms: 1000 };
  const layers = { pruned: () => [{}, {}] } as unknown as RunContext['layers'];
  const emit = (event: RunEvent) => emitted.push(event);
  return { emitted, clock, events: linearEvents({ emit, layers }, 3, () => clock.ms) };
}

const linear = {
  job: { name: 'q_proj', rows: 4, cols: 8 },
  packed: { encoding: 'index-v1', values: new Uint16Array(16), indices: new Uint8Array(4) },
  keptBefore: 100,
  keptAfter: 125,
} as unknown as PrunedLinear;

const done = (emitted: readonly RunEvent[]) =>
  emitted.flatMap((event) => (event.event === 'progress' ? [event.done] : []));

test('a linear that is pruned is reported with its gain and its bytes, and moves the progress by one', () => {
  const { emitted, events } = recorded();
  events.pruned(linear);
  expect(emitted).toEqual([
    {
      ...{ event: 'linear', block: 3, linear: 'q_proj', keptScoreGain: 0.25, bytes: 36, denseBytes: 64 },
      ...{ rows: 4, cols: 8 },
    },
    { event: 'progress', block: 3, phase: 'prune', done: 1, total: 2, unit: 'linears' },
  ]);
});

test('the progress of a stage is a part of its linear, and is emitted four times a second at most', () => {
  const { emitted, clock, events } = recorded();
  events.report.progress(1, 4);
  clock.ms += 249;
  events.report.progress(2, 4);
  clock.ms += 1;
  events.report.progress(3, 4);
  events.pruned(linear);
  clock.ms += 250;
  events.report.progress(9, 4);
  expect(done(emitted)).toEqual([0.25, 0.75, 1, 2]);
});

test('progress out of nothing is left out, and notes are passed on', () => {
  const { emitted, events } = recorded();
  events.report.progress(0, 0);
  events.report.progress(1, NaN);
  events.report.note('no inverse');
  expect(emitted).toEqual([{ event: 'note', message: 'no inverse' }]);
});
