import { LENT_BYTES } from '@esparse/kernels';
import { heldOf, prunerMemory, workerMemory } from './memory.ts';
import { layersOf, smallWorkload, statistic, takes } from './testing/small-workload.ts';

const GIB = 2 ** 30;
const NOTHING = takes({});

type Change = Parameters<typeof smallWorkload>[0];
const dense = [statistic('drift', { needsDense: true })];

test.each<[string, Change, Change]>([
  ['more workers', { workers: 2 }, { workers: 4 }],
  ['longer sequences', { samples: 3 }, { samples: 3, seqlen: 2048 }],
  ['more sequences', { samples: 3 }, { samples: 32 }],
  ['weights of 32 bits', { weightBytes: 2 }, { weightBytes: 4 }],
  ['the dense model beside the pruned one', {}, { statistics: dense }],
  ['statistics', { statistics: [] }, {}],
])('with %s no process needs less', (_what, less, more) => {
  const large = takes({ tap: { bytes: GIB } });
  for (const combine of ['pruner', 'worker'] as const) {
    const [one, other] = [smallWorkload({ ...less, combine }), smallWorkload({ ...more, combine })];
    for (const memory of [prunerMemory, workerMemory]) {
      for (const costs of [NOTHING, large]) {
        expect(memory(other, costs)).toBeGreaterThanOrEqual(memory(one, costs));
      }
    }
  }
});

test('a block stage takes its memory where it works, beside a block that waits, packed', () => {
  const costs = takes({ blockStages: { pruner: GIB, worker: 8 * GIB } });
  const blockStages = [{ states: 'both' as const }];
  const [plain, tuned] = [smallWorkload(), smallWorkload({ blockStages })];
  expect(prunerMemory(tuned, NOTHING)).toBeGreaterThanOrEqual(prunerMemory(plain, NOTHING));
  expect(prunerMemory(tuned, costs)).toBeGreaterThan(GIB);
  expect(workerMemory(tuned, costs)).toBeGreaterThan(8 * GIB);
  expect(workerMemory(tuned, NOTHING)).toBe(workerMemory(plain, NOTHING));
});

test('states are held by whoever gathers them: the pruner one for each shard under way, a worker its own', () => {
  const costs = takes({ tap: { bytes: GIB } });
  const taps = smallWorkload().description.taps.length;
  const of = (combine: 'pruner' | 'worker') => {
    const workload = smallWorkload({ combine });
    return {
      pruner: prunerMemory(workload, costs) - prunerMemory(workload, NOTHING),
      worker: workerMemory(workload, costs) - workerMemory(workload, NOTHING),
    };
  };
  const [byPruner, byWorker] = [of('pruner'), of('worker')];
  // Of the shards of two workers, one that is merged, and the one that it is merged into.
  expect(byPruner.pruner).toBeGreaterThan(0.99 * 4 * taps * GIB);
  expect(byPruner.worker).toBe(0);
  expect(byWorker.worker).toBeGreaterThan(0.99 * taps * GIB);
  expect(byWorker.pruner).toBeLessThan(byPruner.pruner);
});

test('gathering and pruning follow each other: the larger of them counts, and what is held throughout on top', () => {
  const of = (held: { run?: number; gathering?: number; pruning?: number }) =>
    prunerMemory(smallWorkload(), takes({ held }));
  const both = of({ gathering: 20 * GIB, pruning: 10 * GIB });
  expect(both).toBe(of({ gathering: 20 * GIB }));
  expect(of({ run: GIB, gathering: 20 * GIB }) - both).toBeCloseTo(1.05 * GIB, -1);
});

test('shuffle and stages follow each other, too, each beside the one linear that is pruned', () => {
  const of = (given: Parameters<typeof takes>[0]) => prunerMemory(smallWorkload(), takes(given));
  const stages = of({ stages: { bytes: 20 * GIB } });
  expect(stages).toBeGreaterThan(20 * GIB);
  expect(of({ stages: { bytes: 20 * GIB }, shuffle: 10 * GIB })).toBe(stages);
});

test('stages are asked of all taps of a block, and of no more states than there are shards', () => {
  const asked = (workers: number) => {
    const held = jest.fn(NOTHING.held);
    heldOf(smallWorkload({ workers }), { ...NOTHING, held });
    return held.mock.calls[0]![0];
  };
  const taps = smallWorkload().description.taps.map(({ channels }) => channels);
  expect(asked(2)).toEqual({ taps, states: 4, seqlen: 1024 });
  expect(asked(100).states).toBe(8);
});

test('matrices that become integers though nothing of them is pruned are counted beside their integers', () => {
  const layers = layersOf('*.down_proj=dense');
  const of = (denseValues?: 'int8') =>
    prunerMemory(smallWorkload({ statistics: [], layers, ...(denseValues && { denseValues }) }), NOTHING);
  const { rows, cols } = layers.dense(0)[0]!;
  expect(smallWorkload({ layers, denseValues: 'int4' }).rounded).toEqual({
    outer: 512 * 1024,
    linear: rows * cols,
  });
  expect(smallWorkload({ layers }).rounded).toEqual({ outer: 0, linear: 0 });
  // As it is read, in pieces and as one matrix.
  expect(of('int8')).toBeGreaterThan(230 * 2 ** 20 + rows * cols * 4);
  expect(of('int8')).toBeGreaterThan(of());
});

test('a text is counted while it is tokenized, before anything else is held', () => {
  const workload = smallWorkload({});
  const without = prunerMemory(workload, NOTHING);
  expect(prunerMemory(workload, NOTHING, 1000)).toBe(without);
  expect(prunerMemory(workload, NOTHING, GIB)).toBeGreaterThan(6 * GIB);
});

test.each<[string, Change, Parameters<typeof takes>[0]]>([
  ['statistics', {}, { tap: { bytes: 20 * GIB } }],
  ['a block stage', { blockStages: [{ states: 'both' }] }, { blockStages: { pruner: 20 * GIB } }],
])('memory of linears that devices use again is counted beside %s', (_what, change, given) => {
  const of = (linears: number) => prunerMemory(smallWorkload(change), takes(given), 0, linears);
  expect(of(3) - of(1)).toBeGreaterThan(LENT_BYTES);
});
