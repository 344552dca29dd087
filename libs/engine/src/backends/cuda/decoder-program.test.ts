import { describeModel, type BlockOp } from '@esparse/model';
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
    norms: {
      attention: { before: { kind: 'rms', weight: 'input_layernorm' }, after: undefined },
      mlp: { before: { kind: 'rms', weight: 'post_attention_layernorm' }, after: undefined },
    },
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
  expect(qwen2).toMatchObject({ shape: { headNorm: 'none' }, windows: [0, 64, 64] });
  const qwen3 = decoderProgramOf(
    describeModel({ ...qwen, architectures: ['Qwen3ForCausalLM'], head_dim: 64 }),
    60,
  );
  // No sequence is longer than these windows.
  expect(qwen3).toMatchObject({
    shape: { headNorm: 'heads' },
    norms: { query: { weight: 'q_norm' }, key: { weight: 'k_norm' } },
    windows: [0, 0, 0],
  });
  const mistral = { ...LLAMA, architectures: ['MistralForCausalLM'], sliding_window: 64 };
  expect(decoderProgramOf(describeModel(mistral), 100).windows).toEqual([64, 64]);
});

const OPT = {
  architectures: ['OPTForCausalLM'],
  hidden_size: 128,
  ffn_dim: 256,
  num_hidden_layers: 1,
  num_attention_heads: 2,
  vocab_size: 100,
  word_embed_proj_dim: 128,
  max_position_embeddings: 64,
};

test('norms behind the parts, layer norms, biases, learned positions, other activations are read from the program', () => {
  const program = (config: Record<string, unknown>) => decoderProgramOf(describeModel(config), 60);
  expect(program(OPT)).toMatchObject({
    shape: { norm: 'layer', lastNorm: 'layer', activation: 'relu', gated: false, biased: true },
    linears: ['q_proj', 'k_proj', 'v_proj', 'out_proj', 'fc1', undefined, 'fc2'],
    norms: {
      attention: { before: { weight: 'self_attn_layer_norm.weight', shift: 'self_attn_layer_norm.bias' } },
    },
    positions: { table: 'model.decoder.embed_positions.weight', offset: 2 },
    ropes: [undefined],
  });
  expect(program({ ...LLAMA, architectures: ['Olmo2ForCausalLM'] })).toMatchObject({
    shape: { norm: 'none', lastNorm: 'rms', headNorm: 'width', normsAfter: { epsilon: 1e-5 } },
    norms: { attention: { before: undefined, after: { weight: 'post_attention_layernorm' } } },
  });
  const gemma = { ...LLAMA, architectures: ['Gemma3ForCausalLM'], num_hidden_layers: 6, sliding_window: 32 };
  expect(program(gemma)).toMatchObject({
    shape: { norm: 'rms', headNorm: 'heads', headDim: 256, activation: 'gelu', gated: true, biased: false },
    norms: { mlp: { before: { offset: 1 }, after: { weight: 'post_feedforward_layernorm', offset: 1 } } },
    windows: [32, 32, 32, 32, 32, 0],
    ropeOf: [0, 0, 0, 0, 0, 1],
  });
  expect(program({ ...LLAMA, attention_bias: true })).toMatchObject({ shape: { biased: true } });
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

test('mixtures of experts, sinks and a clamped SwiGLU are read from the program', () => {
  const program = (config: Record<string, unknown>) => decoderProgramOf(describeModel(config), 60);
  const gptOss = { ...LLAMA, architectures: ['GptOssForCausalLM'], num_local_experts: 8 };
  expect(program(gptOss)).toMatchObject({
    shape: {
      ...{
        activation: 'clamped',
        clamped: { alpha: 1.702, limit: 7 },
        gated: true,
        biased: true,
        sinks: true,
      },
      ...{ inner: 384, mixture: { experts: 8, top: 4, normalise: true } },
    },
    linears: ['q_proj', 'k_proj', 'v_proj', 'o_proj', undefined, undefined, undefined],
    experts: { router: 'router', bias: 'router_bias', linears: ['gate_proj', 'up_proj', 'down_proj'] },
    sinks: 'sinks',
  });
  const qwen = {
    ...LLAMA,
    architectures: ['Qwen3MoeForCausalLM'],
    num_experts: 8,
    moe_intermediate_size: 40,
  };
  expect(program(qwen)).toMatchObject({
    shape: { inner: 40, activation: 'silu', mixture: { experts: 8, top: 8, normalise: false } },
  });
  expect(thrownBy(() => program({ ...qwen, mlp_only_layers: [1] }))).toMatchObject({
    kind: 'unsupported',
    message: expect.stringContaining('some of its layers have experts, and others an MLP'),
  });
});

test('what is beside attention and MLP is refused by name', () => {
  const description = describeModel(LLAMA);
  const refusal = (block: readonly BlockOp[]) =>
    thrownBy(() =>
      decoderProgramOf({ ...description, program: { ...description.program, blocks: [block] } }, 100),
    );
  const [block] = description.program.blocks as [readonly BlockOp[]];
  const half: BlockOp = { op: 'scale', input: 'mlp_in', output: 'half', factor: 0.5 };
  expect(refusal([half, ...block])).toMatchObject({
    kind: 'unsupported',
    message: expect.stringContaining("'scale' where the kernels have nothing"),
  });
  const multiplied = block.map((op) =>
    op.op === 'linear' && op.linear === 'up_proj' ? { ...op, input: 'half' } : op,
  );
  expect(refusal([half, ...multiplied])).toMatchObject({
    message: expect.stringContaining('read different values'),
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
    message: expect.stringContaining('reads other values than the stream'),
  });
});
