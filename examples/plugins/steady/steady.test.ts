import assert from 'node:assert/strict';
import { test } from 'node:test';
import { metricLaws, runPipeline, shuffleLaws, statisticLaws, syntheticTiles } from '@esparse/testing';
import { bestOf, magnitudes, meanMagnitude, steady } from './steady.ts';

test('the sums are the same in any order', () => statisticLaws(magnitudes));

test('the mean of |x| of normal numbers is near √(2/π)', async () => {
  const state = magnitudes.create(4, {});
  for (const tile of syntheticTiles({ channels: 4, seqlen: 2000 })) await magnitudes.update(state, tile);
  for (const mean of await meanMagnitude.read(state, { sequences: 4 })) {
    assert.ok(Math.abs(mean - Math.sqrt(2 / Math.PI)) < 0.03);
  }
});

test('scores are one a weight, finite, not negative', () => metricLaws(steady()));

test('an order never keeps less than the one before', () => shuffleLaws(bestOf(), { improves: true }));

test('more tries keep no less, in a whole run without a model', async () => {
  const keptWith = async (tries: number) => {
    const { linears } = await runPipeline({ metric: steady(), shuffle: bestOf({ tries }) });
    return linears.map(({ keptAfter }) => keptAfter);
  };
  const [few, many] = [await keptWith(2), await keptWith(50)];
  for (const [i, kept] of many.entries()) assert.ok(kept >= few[i]!);
});
