import { DESCRIPTION, layersOf, smallWorkload, statistic } from './testing/small-workload.ts';
import { channelsOf } from './workload.ts';

const dense = statistic('drift', { needsDense: true });

test.each([1, 3, 4, 33])('%i sequences are in shards that hold them all', (samples) => {
  const { shards, tokens } = smallWorkload({ samples });
  expect(shards.reduce((sum, { sequences }) => sum + sequences, 0)).toBe(samples);
  expect(tokens).toBe(samples * 1024);
});

test.each([
  [1, 1],
  [8, 8],
  [9, 8],
])('of %i workers %i have something to do', (workers, busy) => {
  expect(smallWorkload({ workers }).busy).toBe(busy);
});

test('what grows with the tokens is proportional to them, and what is of the model stays', () => {
  const [one, two] = [smallWorkload({ samples: 32 }), smallWorkload({ samples: 64 })];
  expect(two).toEqual({
    ...one,
    samples: 64,
    tokens: 2 * one.tokens,
    tiles: 2 * one.tiles,
    boundary: 2 * one.boundary,
    shards: two.shards,
  });
  expect(two.shards).toHaveLength(2 * one.shards.length);
});

test('without statistics no activations are computed, and nothing is carried from block to block', () => {
  expect(smallWorkload({ statistics: [] })).toMatchObject({ calibrates: false, advances: 0, models: 1 });
});

test('the dense model goes along where a statistic needs it, but for the first block, whose input is the same', () => {
  const pruned = smallWorkload();
  const both = smallWorkload({ statistics: [statistic('count'), dense] });
  const ofBlock = channelsOf(layersOf().taps(0));
  expect(pruned).toMatchObject({ models: 1, calibrated: 4, calibratedDense: 0, streamed: 4 * ofBlock });
  expect(both).toMatchObject({ models: 2, calibrated: 4, calibratedDense: 3, streamed: 7 * ofBlock });
});

test('nothing is gathered of a block that stays dense, which hidden states go through all the same', () => {
  const workload = smallWorkload({ layers: layersOf('blocks.2.*=dense'), statistics: [dense] });
  expect(workload).toMatchObject({ calibrated: 3, calibratedDense: 2, advances: 3 });
  expect(workload.pruned).toHaveLength(3 * DESCRIPTION.linears.length);
  expect(workload.weights).toBe(smallWorkload().weights);
});
