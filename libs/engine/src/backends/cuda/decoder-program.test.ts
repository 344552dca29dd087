import { describeModel } from '@esparse/model';
import { thrownBy } from '@esparse/laws';
import { decoderProgramOf } from './decoder-program.ts';

const LLAMA = {
  architectures: ['LlamaForCausalLM'],
  hidden_size: 256,
  intermediate_size: 384,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  vocab_size: 500,
  rms_norm_eps: 1e-5,
};

test('a decoder of the shape of LLaMA is recognised by its program, whatever its family', () => {
  const program = decoderProgramOf(describeModel(LLAMA), 100);
  expect(program).toMatchObject({
    shape: {
      hidden: 256,
      inner: 384,
      layers: 2,
      heads: 4,
      kvHeads: 2,
      headDim: 64,
      vocab: 500,
      epsilon: 1e-5,
    },
    linears: ['q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj', 'down_proj'],
    inputNorm: 'input_layernorm',
    middleNorm: 'post_attention_layernorm',
    embedding: 'model.embed_tokens.weight',
    head: 'lm_head.weight',
  });
  const tied = describeModel({ ...LLAMA, architectures: ['MistralForCausalLM'], tie_word_embeddings: true });
  expect(decoderProgramOf(tied, 100).head).toBe('model.embed_tokens.weight');
});

test('biases of q, k and v, norms of their heads, and windows are no obstacle', () => {
  const qwen = {
    ...LLAMA,
    num_hidden_layers: 3,
    use_sliding_window: true,
    max_window_layers: 1,
    sliding_window: 64,
  };
  const qwen2 = decoderProgramOf(describeModel({ ...qwen, architectures: ['Qwen2ForCausalLM'] }), 100);
  expect(qwen2).toMatchObject({ headNorms: undefined, windows: [0, 64, 64] });
  const qwen3 = decoderProgramOf(
    describeModel({ ...qwen, architectures: ['Qwen3ForCausalLM'], head_dim: 64 }),
    60,
  );
  // No sequence is longer than these windows.
  expect(qwen3).toMatchObject({ headNorms: { query: 'q_norm', key: 'k_norm' }, windows: [0, 0, 0] });
  const mistral = { ...LLAMA, architectures: ['MistralForCausalLM'], sliding_window: 64 };
  expect(decoderProgramOf(describeModel(mistral), 100).windows).toEqual([64, 64]);
  const olmo = { ...LLAMA, architectures: ['Olmo2ForCausalLM'] };
  expect(thrownBy(() => decoderProgramOf(describeModel(olmo), 100))).toMatchObject({ kind: 'unsupported' });
});

test('multipliers are folded into the stream, its epsilon and the last norm', () => {
  const granite = {
    ...LLAMA,
    architectures: ['GraniteForCausalLM'],
    ...{ embedding_multiplier: 12, attention_multiplier: 0.02, residual_multiplier: 0.25, logits_scaling: 8 },
  };
  const { shape, logitFactor } = decoderProgramOf(describeModel(granite), 100);
  expect(shape).toMatchObject({ embeddingFactor: 48, scale: 0.02, epsilon: 1.6e-4, headEpsilon: 1e-5 });
  expect(logitFactor).toBe(1 / 8);
  const description = describeModel(granite);
  const block = description.program.blocks[0]!.map((op) =>
    op.op === 'scale' && op.output.startsWith('mlp') ? { ...op, factor: 0.5 } : op,
  );
  const other = { ...description, program: { ...description.program, blocks: [block] } };
  expect(thrownBy(() => decoderProgramOf(other, 100))).toMatchObject({
    message: expect.stringContaining('different multipliers'),
  });
});

test('layers that turn, and layers that do not, have tables of their own; heads may turn in part', () => {
  const smol = {
    ...LLAMA,
    num_hidden_layers: 4,
    architectures: ['SmolLM3ForCausalLM'],
    no_rope_layers: [1, 0, 1, 0],
  };
  const { ropes, ropeOf, rotated } = decoderProgramOf(describeModel(smol), 100);
  expect(ropes).toHaveLength(2);
  expect(ropeOf.map((table) => ropes[table]?.channels)).toEqual([64, undefined, 64, undefined]);
  expect(rotated).toBe(64);
  const part = { ...LLAMA, architectures: ['Phi3ForCausalLM'], partial_rotary_factor: 0.5 };
  expect(decoderProgramOf(describeModel(part), 100)).toMatchObject({ rotated: 32, ropeOf: [0, 0] });
});

test('what the kernels do not have is refused by name', () => {
  const refusal = (config: Record<string, unknown>) =>
    thrownBy(() => decoderProgramOf(describeModel(config), 100));
  expect(refusal({ ...LLAMA, attention_bias: true })).toMatchObject({
    kind: 'unsupported',
    message: expect.stringContaining('o_proj has a bias'),
  });
  expect(refusal({ ...LLAMA, hidden_act: 'gelu_new' })).toMatchObject({
    message: expect.stringContaining('not silu'),
  });
  const gptOss = { ...LLAMA, architectures: ['GptOssForCausalLM'], num_local_experts: 8 };
  expect(refusal(gptOss)).toMatchObject({
    kind: 'unsupported',
    message: expect.stringContaining('gpt-oss model: it has a mixture of experts'),
  });
  const mixture = { ...LLAMA, architectures: ['MixtralForCausalLM'] };
  expect(refusal(mixture)).toMatchObject({
    kind: 'unsupported',
    message: expect.stringContaining('mixtral model: it has a mixture of experts'),
  });
  const opt = {
    architectures: ['OPTForCausalLM'],
    hidden_size: 128,
    ffn_dim: 256,
    num_hidden_layers: 1,
    num_attention_heads: 2,
    vocab_size: 100,
    word_embed_proj_dim: 128,
    max_position_embeddings: 64,
  };
  expect(refusal(opt)).toMatchObject({
    kind: 'unsupported',
    message: expect.stringContaining("'layerNorm'"),
  });
});

test('a program whose operations stand in that order but read other values is refused', () => {
  const description = describeModel(LLAMA);
  const block = description.program.blocks[0]!.map((op) =>
    op.op === 'rmsNorm' && op.weight === 'post_attention_layernorm' ? { ...op, input: 'attn_delta' } : op,
  );
  const other = { ...description, program: { ...description.program, blocks: [block] } };
  expect(thrownBy(() => decoderProgramOf(other, 100))).toMatchObject({
    kind: 'unsupported',
    message: expect.stringContaining('reads other values'),
  });
});
