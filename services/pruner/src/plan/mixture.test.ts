import { describeModel } from '@esparse/model';
import { resolveLayers } from '../layers.ts';
import type { AnyStatistic } from '@esparse/statistics';
import { workerMemory } from './memory.ts';
import { statistic, takes } from './testing/small-workload.ts';
import { readBytes, wireBytes } from './traffic.ts';
import { workloadOf } from './workload.ts';

const MIXTURE = {
  architectures: ['MixtralForCausalLM'],
  ...{
    hidden_size: 1024,
    intermediate_size: 2048,
    num_hidden_layers: 2,
    num_attention_heads: 8,
    vocab_size: 512,
  },
  num_local_experts: 8,
};
const ATTENTION = 4 * 1024 * 1024;
const EXPERT = 3 * 1024 * 2048;

function planned(experts: number, expertTokens = 1, statistics: AnyStatistic[] = []) {
  const description = describeModel({ ...MIXTURE, num_local_experts: experts });
  const layers = resolveLayers(description, { pattern: { keep: 2, group: 4 }, skipIndivisible: false });
  const options = { samples: 4, seqlen: 512, workers: 1, expertTokens };
  return workloadOf({ options, description, layers, statistics, weightBytes: 2 });
}

test('a token passes the experts that it is sent to, and no others', () => {
  const { weights, expertWeights, activeWeights, routed } = planned(8);
  expect(weights).toBe(ATTENTION + 8 * EXPERT);
  expect(expertWeights).toBe(8 * EXPERT);
  expect(activeWeights).toBe(ATTENTION + 2 * EXPERT);
  expect(routed).toBe(1 / 4);
});

test('a worker holds one expert, however many there are', () => {
  expect(workerMemory(planned(64), takes({}))).toBe(workerMemory(planned(8), takes({})));
});

test('where experts see too few tokens in the mean, all tokens go to each of them in a second pass', () => {
  // 2048 tokens, two of eight experts for each.
  const [enough, starved] = [512, 513].map((tokens) => planned(8, tokens, [statistic('count')]));
  expect([enough!.starves, starved!.starves, planned(8, 513).starves]).toEqual([false, true, false]);
  const channels = 8 * (1024 + 2048);
  expect(wireBytes(starved!, []).pruner - wireBytes(enough!, []).pruner).toBe(
    // And a few bytes beside each piece.
    4 * 2048 * 2 * channels + 50 * 4 * 2 * 16,
  );
  const store = { bytes: 1e8, arrays: 1e8 };
  const [before, after] = [enough!, starved!].map((workload) => readBytes(workload, store).workers);
  // Of both blocks: the hidden states, and all experts for each of the four sequences.
  expect(after! - before!).toBe(2 * (4 * 2048 * 1024 + 4 * 2 * 8 * EXPERT));
  expect(workerMemory(starved!, takes({})) - workerMemory(enough!, takes({}))).toBeGreaterThan(
    4 * 512 * channels,
  );
});
