import { thrownBy } from '@esparse/laws';
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

test.each([
  [{ activation_function: 'gelu' }, 'unsupported', "activation_function 'gelu'"],
  [{ do_layer_norm_before: false, word_embed_proj_dim: 16 }, 'unsupported', 'word_embed_proj_dim 16'],
  [{ enable_bias: false }, 'unsupported', 'enable_bias'],
  [{ layer_norm_elementwise_affine: false }, 'unsupported', 'layer_norm_elementwise_affine'],
  [{ _remove_final_layer_norm: true }, 'unsupported', '_remove_final_layer_norm'],
  [{ num_attention_heads: 5 }, 'checkpoint', 'not a multiple of num_attention_heads 5'],
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
