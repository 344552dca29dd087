import { describeModel } from '@esparse/model';
import { resolveLayers } from '../layers.ts';
import { workerMemory } from './memory.ts';
import { takes } from './testing/small-workload.ts';
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

function planned(experts: number) {
  const description = describeModel({ ...MIXTURE, num_local_experts: experts });
  const layers = resolveLayers(description, { pattern: { keep: 2, group: 4 }, skipIndivisible: false });
  const options = { samples: 4, seqlen: 512, workers: 1 };
  return workloadOf({ options, description, layers, statistics: [], weightBytes: 2 });
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
