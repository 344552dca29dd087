import { defineBlockStage } from '@esparse/sparsity';
import { describeModel } from '@esparse/model';
import type { ConfiguredPipeline } from '@esparse/sparsity';
import { blockStageBytes, requireFittingBlocks } from './require-fitting-blocks.ts';

const GIB = 2 ** 30;
const model = describeModel({
  ...{ model_type: 'llama', hidden_size: 16, intermediate_size: 24, num_hidden_layers: 2, vocab_size: 64 },
  ...{ num_attention_heads: 2, rms_norm_eps: 1e-5, hidden_act: 'silu', max_position_embeddings: 64 },
});
const stage = defineBlockStage({
  name: 'own',
  run: () => Promise.resolve({}),
  cost: ({ weights, sequences }) => ({ worker: weights * sequences, gpu: weights }),
});
const pipeline = { stages: [], blockStages: [stage()] } as unknown as ConfiguredPipeline;

test('what block stages take is told by themselves, of a block of the model', () => {
  const weights = 4 * 16 * 16 + 3 * 16 * 24;
  const bytes = blockStageBytes(pipeline, model, { samples: 10, seqlen: 8 });
  expect(bytes).toEqual({ worker: 10 * weights, gpu: weights });
  const none = { ...pipeline, blockStages: [] };
  expect(blockStageBytes(none, model, { samples: 10, seqlen: 8 })).toEqual({ worker: 0, gpu: 0 });
});

test('a worker, or its GPU, that has not the memory for a block is refused by its address; one that does not say is believed', () => {
  const bytes = { worker: 3 * GIB, gpu: 2 * GIB };
  const refusal = (memoryBytes: number, gpuBytes: number) => () => {
    requireFittingBlocks(bytes, { memoryBytes, gpuBytes }, 'host:1');
  };
  expect(refusal(2 * GIB, 0)).toThrow(
    'the block stages take 3.0 GiB for a block of this model, and the worker at host:1 has 2.0 GiB',
  );
  expect(refusal(8 * GIB, GIB)).toThrow(
    'the block stages take 2.0 GiB for a block of this model, and the GPU of the worker at host:1 has 1.0 GiB',
  );
  // With a GPU the host's memory is not what counts.
  for (const there of [refusal(3 * GIB, 0), refusal(GIB, 2 * GIB), refusal(0, 0)])
    expect(there).not.toThrow();
});
