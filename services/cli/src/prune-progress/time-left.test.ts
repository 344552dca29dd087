import { committed, progress } from '../testing/prune-events.ts';
import { TimeLeft } from './time-left.ts';

const BLOCKS = 12;

/** What a block of a run takes, in seconds: tokens come, linears are pruned one by one, the block is run. */
interface Pace {
  readonly calibrate: number;
  readonly linears: readonly number[];
  readonly commit: number;
  readonly advance: number;
}

/** Goes through a run, and gives the estimate of every second beside what the run really takes from there. */
function estimates(paceOf: (block: number) => Pace, from = 1): { at: number; left: number; real: number }[] {
  let now = 0;
  const timeLeft = new TimeLeft(BLOCKS, () => 1000 * now);
  const seen: { at: number; left: number }[] = [];
  const pass = (seconds: number) => {
    for (let passed = 0; passed < seconds; passed++) {
      now += Math.min(1, seconds - passed);
      const left = timeLeft.left();
      if (left !== undefined) seen.push({ at: now, left: left / 1000 });
    }
  };
  for (let block = from; block <= BLOCKS; block++) {
    const { calibrate, linears, commit, advance } = paceOf(block);
    for (let tokens = 0; tokens < 10; tokens++) {
      pass(calibrate / 10);
      timeLeft.progress(progress(block, 'calibrate', tokens + 1, 10));
    }
    linears.forEach((seconds, i) => {
      pass(seconds);
      timeLeft.progress(progress(block, 'prune', i + 1, linears.length));
    });
    pass(commit);
    timeLeft.committed(committed(block, BLOCKS));
    for (let tokens = 0; tokens < 4 && block < BLOCKS; tokens++) {
      pass(advance / 4);
      timeLeft.progress(progress(block, 'advance', tokens + 1, 4));
    }
  }
  return seen.map(({ at, left }) => ({ at, left, real: now - at }));
}

/** The largest growth from one estimate to the next, as a share of the former; what is nearly over counts as a minute. */
function largestRise(seen: readonly { readonly left: number }[]): number {
  return Math.max(
    ...seen.slice(1).map(({ left }, i) => (left - seen[i]!.left) / Math.max(60, seen[i]!.left)),
  );
}

test.each<[string, Pace]>([
  ['phases alike', { calibrate: 20, linears: Array<number>(7).fill(3), commit: 2, advance: 20 }],
  [
    'nearly all of it pruning, one linear the most',
    { calibrate: 4, linears: [2, 2, 2, 2, 9, 9, 90], commit: 1, advance: 3 },
  ],
  [
    'nearly all of it calibration',
    { calibrate: 100, linears: Array<number>(7).fill(0.1), commit: 0, advance: 3 },
  ],
])('with blocks that take the same time it falls like a clock: %s', (_, pace) => {
  const seen = estimates(() => pace);
  expect(seen.length).toBeGreaterThan(100);
  expect(largestRise(seen)).toBeLessThan(0.02);
  for (const { left, real } of seen) expect(Math.abs(left - real)).toBeLessThan(0.05 * Math.max(60, real));
});

test('blocks whose times differ by a fifth move it by a few per cent', () => {
  const seen = estimates((block) => {
    const factor = [1, 1.2, 0.9, 1.1, 0.8][block % 5]!;
    return {
      calibrate: 40 * factor,
      linears: Array<number>(7).fill(4 * factor),
      commit: 1,
      advance: 20 * factor,
    };
  });
  expect(largestRise(seen)).toBeLessThan(0.06);
});

test('a slower pace is learnt in a few blocks', () => {
  const seen = estimates((block) => {
    const factor = block > 4 ? 2 : 1;
    return { calibrate: 40 * factor, linears: [10 * factor], commit: 1, advance: 9 * factor };
  });
  const late = seen.filter(({ real }) => real < 300 && real > 60);
  for (const { left, real } of late) expect(Math.abs(left - real) / real).toBeLessThan(0.25);
});

test('nothing is said before a block is measured, nor for blocks that are run again and not pruned', () => {
  let now = 0;
  const timeLeft = new TimeLeft(4, () => (now += 1000));
  timeLeft.progress(progress(1, 'advance', 5, 10));
  timeLeft.progress(progress(2, 'calibrate', 5, 10));
  timeLeft.committed(committed(2, 4));
  timeLeft.progress(progress(2, 'advance', 10, 10));
  expect(timeLeft.left()).toBeUndefined();
  expect(timeLeft.done()).toBeCloseTo(0.5);
  timeLeft.progress(progress(3, 'calibrate', 5, 10));
  expect(timeLeft.left()).toBeGreaterThan(0);
});
