import { secondsOf } from './seconds.ts';
import { layersOf, smallWorkload, statistic, takes } from './testing/small-workload.ts';

const STORE = { bytes: 1.1e8, arrays: 1e8 };
const RATES = { flops: 1e11, statistics: 1e-9, prune: 2e-8, read: 1e9, write: 5e8 };
const NOTHING = takes({});
const TUNES = takes({ blockStages: { flops: 1e12 } });

const of = (change: Parameters<typeof smallWorkload>[0] = {}, costs = NOTHING, rates = RATES) =>
  secondsOf(smallWorkload(change), STORE, costs, rates);

test('a run takes what its phases take', () => {
  const { total, calibrate, prune, tune, commit, advance } = of({ blockStages: [{ states: 'both' }] }, TUNES);
  expect(total).toBeCloseTo(calibrate + prune + tune + commit + advance, 9);
  expect(tune).toBeGreaterThan(0);
});

test('a machine that does everything twice as fast takes half the time', () => {
  const twice = { flops: 2e11, statistics: 0.5e-9, prune: 1e-8, read: 2e9, write: 1e9 };
  const costs = takes({ tap: { flops: 1e9 }, stages: { flops: 1e10 } });
  const [slow, fast] = [of({}, costs), of({}, costs, twice)];
  for (const phase of ['total', 'calibrate', 'prune', 'commit', 'advance'] as const) {
    expect(fast[phase]).toBeCloseTo(slow[phase] / 2, 9);
  }
});

test('without statistics only pruning and committing take time', () => {
  const { prune, commit } = of();
  expect(of({ statistics: [] })).toEqual({
    total: prune + commit,
    calibrate: 0,
    prune,
    tune: 0,
    commit,
    advance: 0,
  });
});

test('block stages take their time on every block, however many workers there are, and hidden states for it', () => {
  const blockStages = [{ states: 'pruned' as const }];
  const { tune, advance, calibrate } = of({ statistics: [], blockStages, workers: 4 }, TUNES);
  expect(tune).toBeCloseTo(10 * smallWorkload().description.blocks, 9);
  expect([calibrate, advance > 0]).toEqual([0, true]);
});

test.each([
  ['more sequences', { samples: 64 }],
  ['longer sequences', { seqlen: 2048 }],
  ['the dense model beside the pruned one', { statistics: [statistic('drift', { needsDense: true })] }],
])('with %s calibrating and advancing take longer, and pruning and committing the same', (_what, more) => {
  const [usual, longer] = [of(), of(more)];
  expect(longer.calibrate).toBeGreaterThan(usual.calibrate);
  expect(longer.advance).toBeGreaterThan(usual.advance);
  expect(longer).toMatchObject({ prune: usual.prune, commit: usual.commit });
});

test('more workers are faster as long as there are shards for them', () => {
  const seconds = [1, 2, 8, 9].map((workers) => of({ workers }));
  expect(seconds[1]!.calibrate).toBeLessThan(seconds[0]!.calibrate);
  expect(seconds[2]!.advance).toBeLessThan(seconds[1]!.advance);
  expect(seconds[3]).toEqual(seconds[2]);
});

test('workers count activations side by side, the pruner those of all', () => {
  const slow = { ...RATES, statistics: 1e-6 };
  const counting = (combine: 'pruner' | 'worker') =>
    of({ combine }, NOTHING, slow).calibrate - of({ combine, layers: layersOf('*=dense') }).calibrate;
  expect(counting('pruner')).toBeGreaterThan(1.9 * counting('worker'));
});

test('what plug-ins take is on top: statistics of every sequence and tap, stages of every linear', () => {
  const usual = of();
  const { taps, pruned, samples } = smallWorkload();
  const with3 = of({}, takes({ tap: { flops: 1e11, seconds: 2 }, stages: { flops: 1e11, seconds: 2 } }));
  expect(with3.calibrate - usual.calibrate).toBeCloseTo(3 * samples * taps.length, 6);
  expect(with3.prune - usual.prune).toBeCloseTo(3 * pruned.length, 6);
});
