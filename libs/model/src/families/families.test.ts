import { thrownBy } from '@esparse/laws';
import { linearsOf, tapsOf } from '../block-parts.ts';
import { tensorsOfBlock } from '../check-tensors.ts';
import { describeModel } from '../family.ts';
import { kindOf } from '../program.ts';

const OPT = {
  architectures: ['OPTForCausalLM'],
  hidden_size: 32,
  ffn_dim: 64,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  vocab_size: 40,
  max_position_embeddings: 64,
};
const ROTARY = {
  hidden_size: 32,
  intermediate_size: 48,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  vocab_size: 40,
};

test('OPT has biases everywhere, two unused rows of positions and a tied head', () => {
  const description = describeModel(OPT);
  expect(description).toMatchObject({
    family: 'opt',
    maxPositions: 64,
    program: { head: [{ op: 'layerNorm' }, { weight: 'model.decoder.embed_tokens.weight' }] },
  });
  expect(description.linears.map(({ name, tap, rows, cols }) => `${name} ${tap} ${rows}x${cols}`)).toEqual([
    'q_proj attn_in 32x32',
    'k_proj attn_in 32x32',
    'v_proj attn_in 32x32',
    'out_proj attn_out 32x32',
    'fc1 mlp_in 64x32',
    'fc2 mlp_out 32x64',
  ]);
  expect(description.outerTensors).toContainEqual({
    name: 'model.decoder.embed_positions.weight',
    shape: [66, 32],
  });
  const names = tensorsOfBlock(description, 1).map(({ name }) => name);
  expect(names).toHaveLength(16);
  expect(names).toContain('model.decoder.layers.1.self_attn.out_proj.bias');
  expect(names).toContain('model.decoder.layers.1.final_layer_norm.bias');
});

const GPT2 = { architectures: ['GPT2LMHeadModel'], n_embd: 32, n_layer: 2, n_head: 4, vocab_size: 40 };

test('GPT-2 has what OPT has, four times as many inner channels, and its matrices transposed', () => {
  const description = describeModel(GPT2);
  expect(description).toMatchObject({ family: 'gpt2', maxPositions: 1024 });
  expect(description.linears.map(({ name, tap, rows, cols }) => `${name} ${tap} ${rows}x${cols}`)).toEqual([
    'q_proj attn_in 32x32',
    'k_proj attn_in 32x32',
    'v_proj attn_in 32x32',
    'out_proj attn_out 32x32',
    'fc1 mlp_in 128x32',
    'fc2 mlp_out 32x128',
  ]);
  expect(description.fusedTensors!(1).map(({ name, shape }) => `${name} ${shape.join('x')}`)).toEqual([
    'transformer.h.1.attn.c_attn.weight 32x96',
    'transformer.h.1.attn.c_attn.bias 96',
    'transformer.h.1.attn.c_proj.weight 32x32',
    'transformer.h.1.attn.c_proj.bias 32',
    'transformer.h.1.mlp.c_fc.weight 32x128',
    'transformer.h.1.mlp.c_fc.bias 128',
    'transformer.h.1.mlp.c_proj.weight 128x32',
    'transformer.h.1.mlp.c_proj.bias 32',
  ]);
});

test.each([
  [{ activation_function: 'gelu' }, 'unsupported', "activation_function 'gelu'"],
  [{ scale_attn_weights: false }, 'unsupported', 'scale_attn_weights'],
  [{ scale_attn_by_inverse_layer_idx: true }, 'unsupported', 'scale_attn_by_inverse_layer_idx'],
  [{ add_cross_attention: true }, 'unsupported', 'add_cross_attention'],
  [{ n_head: 5 }, 'checkpoint', '32 channels are no multiple of 5 heads'],
])('a GPT-2 with %j is refused: %s, naming %s', (part, kind, name) => {
  expect(thrownBy(() => describeModel({ ...GPT2, ...part }))).toMatchObject({
    kind,
    message: expect.stringContaining(name),
  });
});

test.each([
  [{ activation_function: 'gelu' }, 'unsupported', "activation_function 'gelu'"],
  [{ do_layer_norm_before: false, word_embed_proj_dim: 16 }, 'unsupported', 'word_embed_proj_dim 16'],
  [{ enable_bias: false }, 'unsupported', 'enable_bias'],
  [{ layer_norm_elementwise_affine: false }, 'unsupported', 'layer_norm_elementwise_affine'],
  [{ _remove_final_layer_norm: true }, 'unsupported', '_remove_final_layer_norm'],
  [{ num_attention_heads: 5 }, 'checkpoint', '32 channels are no multiple of 5 heads'],
])('an OPT with %j is refused: %s, naming %s', (part, kind, name) => {
  expect(thrownBy(() => describeModel({ ...OPT, ...part }))).toMatchObject({
    kind,
    message: expect.stringContaining(name),
  });
});

test('Qwen2 has biases on q, k and v, and no others', () => {
  const { linears, maxPositions } = describeModel({ ...ROTARY, architectures: ['Qwen2ForCausalLM'] });
  expect(linears.filter(({ bias }) => bias !== undefined).map(({ name }) => name)).toEqual([
    'q_proj',
    'k_proj',
    'v_proj',
  ]);
  expect(maxPositions).toBe(32768);
});

const ALTERNATING = ['full_attention', 'sliding_attention'];

test.each([
  ['MistralForCausalLM', { sliding_window: 512 }, [512, 512]],
  ['MistralForCausalLM', {}, [4096, 4096]],
  ['MistralForCausalLM', { sliding_window: null }, [undefined, undefined]],
  ['MistralForCausalLM', { sliding_window: 9, layer_types: ALTERNATING }, [undefined, 9]],
  ['MistralForCausalLM', { sliding_window: 9, max_position_embeddings: 9 }, [undefined, undefined]],
  ['Qwen2ForCausalLM', { sliding_window: 512 }, [undefined, undefined]],
  [
    'Qwen2ForCausalLM',
    { sliding_window: 512, use_sliding_window: true, max_window_layers: 1 },
    [undefined, 512],
  ],
  [
    'Qwen3ForCausalLM',
    { sliding_window: 512, use_sliding_window: true, layer_types: ALTERNATING },
    [undefined, 512],
  ],
  ['Gemma3ForCausalLM', { sliding_window: 512, sliding_window_pattern: 2 }, [512, undefined]],
  ['Gemma3ForCausalLM', { sliding_window: 512, layer_types: ALTERNATING }, [undefined, 512]],
])('the layers of %s with %j see windows of %j', (architecture, part, expected) => {
  const { blocks, program } = describeModel({ ...ROTARY, architectures: [architecture], ...part });
  const windows = Array.from(
    { length: blocks },
    (_, block) => program.blocks[kindOf(program, block)]!.find((op) => op.op === 'attention')?.window,
  );
  expect(windows).toEqual(expected);
});

test('layers that are alike share one program, and those that do not turn have no rotary embedding', () => {
  const { program } = describeModel({
    ...ROTARY,
    architectures: ['SmolLM3ForCausalLM'],
    num_hidden_layers: 5,
    no_rope_layer_interval: 2,
  });
  expect([0, 1, 2, 3, 4].map((block) => kindOf(program, block))).toEqual([0, 1, 0, 1, 0]);
  expect(program.blocks.map((block) => block.filter(({ op }) => op === 'rope').length)).toEqual([2, 0]);
});

test.each([
  [{ layer_types: ['full_attention'] }, 'checkpoint', 'layer_types names 1 of 2'],
  [{ layer_types: ['full_attention', 'linear_attention'] }, 'unsupported', "'linear_attention'"],
  [{ hidden_act: 'gelu' }, 'unsupported', "'gelu'"],
])('a Qwen3 with %j is refused: %s, naming %s', (part, kind, name) => {
  const config = { ...ROTARY, architectures: ['Qwen3ForCausalLM'], ...part };
  expect(thrownBy(() => describeModel(config))).toMatchObject({
    kind,
    message: expect.stringContaining(name),
  });
});

test('a Gemma that caps its logits is refused', () => {
  const config = { ...ROTARY, architectures: ['Gemma3ForCausalLM'], final_logit_softcapping: 30 };
  expect(thrownBy(() => describeModel(config))).toMatchObject({ kind: 'unsupported' });
});

const MIXTURE = { ...ROTARY, architectures: ['Qwen3MoeForCausalLM'], num_experts_per_tok: 2 };

test('each linear of an expert is one of the block, with a tap of its own, and the router stays as it is', () => {
  const description = describeModel({
    ...ROTARY,
    architectures: ['MixtralForCausalLM'],
    num_local_experts: 3,
  });
  const linears = linearsOf(description, 1);
  expect(linears.slice(4).map(({ name, tap, rows, cols }) => `${name} ${tap} ${rows}x${cols}`)).toEqual(
    [0, 1, 2].flatMap((expert) => [
      `experts.${expert}.gate_proj experts.${expert}.mlp_in 48x32`,
      `experts.${expert}.up_proj experts.${expert}.mlp_in 48x32`,
      `experts.${expert}.down_proj experts.${expert}.mlp_out 32x48`,
    ]),
  );
  expect(linears.at(-1)!.weight(1)).toBe('model.layers.1.block_sparse_moe.experts.2.w2.weight');
  expect(tensorsOfBlock(description, 1).at(-1)).toMatchObject({
    name: 'model.layers.1.block_sparse_moe.gate.weight',
    shape: [3, 32],
  });
});

test.each([
  [{ num_experts: 4 }, 4, [true, true, true, true]],
  [{ num_local_experts: 4 }, 4, [true, true, true, true]],
  [{ num_experts: 4, mlp_only_layers: [0, 2] }, 4, [false, true, false, true]],
  [{ num_experts: 4, decoder_sparse_step: 2 }, 4, [false, true, false, true]],
  [{ num_experts: 4, decoder_sparse_step: 2, mlp_only_layers: [1] }, 4, [false, false, false, true]],
  [{}, 128, [true, true, true, true]],
])('a Qwen3-MoE with %j has mixtures of %i experts in the layers %j', (part, experts, expected) => {
  const description = describeModel({ ...MIXTURE, num_hidden_layers: 4, ...part });
  for (const [block, mixed] of expected.entries()) {
    const names = linearsOf(description, block).map(({ name }) => name);
    expect(names).toHaveLength(mixed ? 4 + 3 * experts : 7);
    expect(names.includes('gate_proj')).toBe(!mixed);
    expect(tapsOf(description, block).map(({ name }) => name)).toHaveLength(mixed ? 2 + 2 * experts : 4);
  }
});

test.each([
  [{ num_experts: 4, num_local_experts: 8 }, 'num_local_experts'],
  [{ num_experts: 4, num_experts_per_tok: 5 }, 'to 5 experts (num_experts_per_tok), and there are 4'],
  [{ num_experts: -1 }, 'num_experts'],
  [{ num_experts: 2048, num_hidden_layers: 65 }, '65 layers of 2048 experts are more than'],
])('a Qwen3-MoE with %j is refused, naming %s', (part, name) => {
  expect(thrownBy(() => describeModel({ ...MIXTURE, ...part }))).toMatchObject({
    kind: 'checkpoint',
    message: expect.stringContaining(name),
  });
});

const GPT_OSS = { ...ROTARY, architectures: ['GptOssForCausalLM'], num_local_experts: 4, head_dim: 8 };

test('gpt-oss has sinks, biases on everything but norms, and windows in every other layer', () => {
  const { linears, program, blockTensors, fusedTensors } = describeModel(GPT_OSS);
  expect(linears.filter(({ bias }) => bias === undefined)).toEqual([]);
  const tensors = blockTensors(1).map(
    ({ name, shape }) => `${name.slice('model.layers.1.'.length)} ${shape.join('x')}`,
  );
  expect(tensors).toEqual(
    expect.arrayContaining(['self_attn.sinks 4', 'mlp.router.weight 4x32', 'mlp.router.bias 4']),
  );
  const attentions = [0, 1].map((block) =>
    program.blocks[kindOf(program, block)]!.find(({ op }) => op === 'attention'),
  );
  expect(attentions).toMatchObject([{ sinks: 'sinks', window: 128 }, { sinks: 'sinks' }]);
  expect(attentions[1]).not.toHaveProperty('window');
  expect(
    fusedTensors!(1).map(
      ({ name, shape }) => `${name.slice('model.layers.1.mlp.'.length)} ${shape.join('x')}`,
    ),
  ).toEqual([
    'experts.gate_up_proj 4x32x96',
    'experts.gate_up_proj_bias 4x96',
    'experts.down_proj 4x48x32',
    'experts.down_proj_bias 4x32',
  ]);
});

test.each([
  [{ quantization_config: { quant_method: 'gptq' } }, 'unsupported', "quantization_config of 'gptq'"],
  [{ quantization_config: {} }, 'unsupported', 'a quantization_config'],
  [
    { architectures: ['LlamaForCausalLM'], quantization_config: { quant_method: 'mxfp4' } },
    'unsupported',
    "'mxfp4'",
  ],
  [{ num_experts_per_tok: 5 }, 'checkpoint', 'to 5 experts'],
  [{ swiglu_limit: 0 }, 'checkpoint', 'swiglu_limit'],
  [{ layer_types: ['full_attention'] }, 'checkpoint', 'layer_types names 1 of 2'],
])('a gpt-oss with %j is refused: %s, naming %s', (part, kind, name) => {
  expect(thrownBy(() => describeModel({ ...GPT_OSS, ...part }))).toMatchObject({
    kind,
    message: expect.stringContaining(name),
  });
});
