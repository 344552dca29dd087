import { describeModel, kindOf } from '@esparse/model';
import { tune } from './tune.ts';

const programOf = (more: object) => {
  const { program } = describeModel({
    ...{ model_type: 'llama', hidden_size: 16, intermediate_size: 24, num_hidden_layers: 1, vocab_size: 64 },
    ...{
      num_attention_heads: 2,
      rms_norm_eps: 1e-5,
      hidden_act: 'silu',
      max_position_embeddings: 64,
      ...more,
    },
  });
  return program.blocks[kindOf(program, 0)]!;
};

test('a mixture of experts is not tuned, which is known of its program; without steps there is nothing to refuse', () => {
  const mixture = programOf({ model_type: 'mixtral', num_local_experts: 4, num_experts_per_tok: 2 });
  expect(tune().refuses!(mixture)).toBe('a mixture of experts');
  expect(tune({ steps: 0 }).refuses!(mixture)).toBeUndefined();
  expect(tune().refuses!(programOf({}))).toBeUndefined();
});
