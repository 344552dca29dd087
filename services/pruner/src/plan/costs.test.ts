import { defineShuffle, defineStage, type BlockStage, type HeldCost } from '@esparse/sparsity';
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
  const costs = pluginCosts({ shuffle, stages: [], blockStages: [] }, [
    reader('a', () => ({ bytes: 1, flops: 10, seconds: 100 })),
    reader('b', () => ({ bytes: 2, flops: 20, seconds: 200 })),
  ]);
  expect(costs.tap(TAP)).toEqual({ bytes: 3, flops: 30, seconds: 300 });
});

test('a statistic that two parts read is gathered, and counted, once', () => {
  const shared = statistic('shared', { cost: () => ({ bytes: 5 }) });
  const readers = [readerOf(shared, () => 1), readerOf(shared, () => 2)];
  expect(pluginCosts({ shuffle, stages: [], blockStages: [] }, readers).tap(TAP).bytes).toBe(5);
});

test('of stages, which follow each other, the work adds up, and the bytes are those of the largest', () => {
  const stages = [
    stage('a', () => ({ bytes: 3, flops: 10, seconds: 100 })),
    stage('b', () => ({ bytes: 2, flops: 20, seconds: 200 })),
  ];
  const costs = pluginCosts({ shuffle, stages, blockStages: [] }, []);
  expect(costs.stages(LINEAR)).toEqual({ bytes: 3, flops: 30, seconds: 300 });
});

test('of block stages the same holds, of the pruner, of the worker and of its file', () => {
  const blockStage = (name: string, cost?: () => object): BlockStage => ({
    ...{ name, states: 'none', run: () => Promise.resolve({}) },
    ...(cost && { cost }),
  });
  const blockStages = [
    blockStage('one', () => ({ pruner: 1, worker: 9, flops: 10 })),
    blockStage('two', () => ({ pruner: 2, file: 7, flops: 20, seconds: 3 })),
    blockStage('silent'),
  ];
  const costs = pluginCosts({ shuffle, stages: [], blockStages }, []);
  const block = { weights: 1, others: 1, values: 1, hidden: 1, sequences: 1, seqlen: 1 };
  expect(costs.blockStages(block)).toEqual({ pruner: 2, worker: 9, gpu: 0, file: 7, flops: 30, seconds: 3 });
  expect(costs.uncounted).toEqual(['silent']);
});

test('what stages hold beside their work is held by all at once', () => {
  const stages = [
    stage('a', undefined, { run: 1, gathering: 2, pruning: 3, file: 4 }),
    stage('b', undefined, { run: 10, file: 40 }),
  ];
  expect(pluginCosts({ shuffle, stages, blockStages: [] }, []).held(BLOCK)).toEqual({
    run: 11,
    gathering: 2,
    pruning: 3,
    file: 44,
  });
});

test('plug-ins that say nothing count as nothing, and statistics and stages are named', () => {
  const costs = pluginCosts(
    { shuffle, stages: [stage('silent'), stage('free', () => ({}))], blockStages: [] },
    [reader('mute')],
  );
  const nothing = { bytes: 0, flops: 0, seconds: 0 };
  expect(costs.tap(TAP)).toEqual(nothing);
  expect(costs.stages(LINEAR)).toEqual(nothing);
  expect(costs.shuffle(LINEAR)).toBe(0);
  expect(costs.held(BLOCK)).toEqual({ run: 0, gathering: 0, pruning: 0, file: 0 });
  expect(costs.uncounted).toEqual(['mute', 'silent']);
});

test('a cost that cannot be computed is the fault of the plug-in that it names', () => {
  const costs = pluginCosts({ shuffle, stages: [], blockStages: [] }, [
    reader('broken', () => {
      throw new Error('no shape');
    }),
  ]);
  expect(() => costs.tap(TAP)).toThrow(/statistic broken, cost\(\): .*no shape/);
});
