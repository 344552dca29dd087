import { writeRandomModel } from './random-model.ts';

/** Experts of a block of the mixture that `writeMixture` makes. */
export const EXPERTS = 8;

/** Writes a random Qwen3-MoE of three blocks, of which the second has one MLP and no experts. */
export async function writeMixture(directory: string): Promise<void> {
  await writeRandomModel(directory, {
    architectures: ['Qwen3MoeForCausalLM'],
    model_type: 'qwen3_moe',
    hidden_size: 64,
    intermediate_size: 96,
    moe_intermediate_size: 32,
    head_dim: 16,
    num_hidden_layers: 3,
    num_attention_heads: 4,
    num_key_value_heads: 2,
    num_experts: EXPERTS,
    num_experts_per_tok: 2,
    norm_topk_prob: true,
    mlp_only_layers: [1],
    vocab_size: 2048,
    max_position_embeddings: 256,
  });
}
