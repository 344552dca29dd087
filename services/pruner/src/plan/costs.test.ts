import { defineShuffle, defineStage, type HeldCost } from '@esparse/sparsity';
import { readerOf, type Cost } from '@esparse/statistics';
import { pluginCosts } from './costs.ts';
import { statistic } from './testing/small-workload.ts';

const TAP = { channels: 8, seqlen: 4, sequences: 2 };
const LINEAR = { rows: 8, cols: 8, pattern: { keep: 2, group: 4 } };
const BLOCK = { taps: [8], states: 3, seqlen: 4 };

const shuffle = defineShuffle({ name: 'reverse', order: () => Promise.reject(new Error('not run')) })();

function stage(name: string, cost?: () => Cost, held?: HeldCost) {
  return defineStage({
    name,
    statistics: {},
    run: () => Promise.resolve({}),
    ...(cost && { cost }),
    ...(held && { heldCost: () => held }),
  })();
}

const reader = (name: string, cost?: () => Cost) =>
  readerOf(statistic(name, cost && { cost }), () => undefined);

test('of statistics, which are gathered side by side, bytes and work add up', () => {
  const costs = pluginCosts({ shuffle, stages: [] }, [
    reader('a', () => ({ bytes: 1, flops: 10, seconds: 100 })),
    reader('b', () => ({ bytes: 2, flops: 20, seconds: 200 })),
  ]);
  expect(costs.tap(TAP)).toEqual({ bytes: 3, flops: 30, seconds: 300 });
});

test('a statistic that two parts read is gathered, and counted, once', () => {
  const shared = statistic('shared', { cost: () => ({ bytes: 5 }) });
  const readers = [readerOf(shared, () => 1), readerOf(shared, () => 2)];
  expect(pluginCosts({ shuffle, stages: [] }, readers).tap(TAP).bytes).toBe(5);
});

test('of stages, which follow each other, the work adds up, and the bytes are those of the largest', () => {
  const stages = [
    stage('a', () => ({ bytes: 3, flops: 10, seconds: 100 })),
    stage('b', () => ({ bytes: 2, flops: 20, seconds: 200 })),
  ];
  const costs = pluginCosts({ shuffle, stages }, []);
  expect(costs.stages(LINEAR)).toEqual({ bytes: 3, flops: 30, seconds: 300 });
});

test('what stages hold beside their work is held by all at once', () => {
  const stages = [
    stage('a', undefined, { run: 1, gathering: 2, pruning: 3, file: 4 }),
    stage('b', undefined, { run: 10, file: 40 }),
  ];
  expect(pluginCosts({ shuffle, stages }, []).held(BLOCK)).toEqual({
    run: 11,
    gathering: 2,
    pruning: 3,
    file: 44,
  });
});

test('plug-ins that say nothing count as nothing, and statistics and stages are named', () => {
  const costs = pluginCosts({ shuffle, stages: [stage('silent'), stage('free', () => ({}))] }, [
    reader('mute'),
  ]);
  const nothing = { bytes: 0, flops: 0, seconds: 0 };
  expect(costs.tap(TAP)).toEqual(nothing);
  expect(costs.stages(LINEAR)).toEqual(nothing);
  expect(costs.shuffle(LINEAR)).toBe(0);
  expect(costs.held(BLOCK)).toEqual({ run: 0, gathering: 0, pruning: 0, file: 0 });
  expect(costs.uncounted).toEqual(['mute', 'silent']);
});

test('a cost that cannot be computed is the fault of the plug-in that it names', () => {
  const costs = pluginCosts({ shuffle, stages: [] }, [
    reader('broken', () => {
      throw new Error('no shape');
    }),
  ]);
  expect(() => costs.tap(TAP)).toThrow(/statistic broken, cost\(\): .*no shape/);
});
