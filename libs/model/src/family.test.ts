import { thrownBy, tinyLlama } from '@esparse/laws';
import { tensorsOfBlock } from './check-tensors.ts';
import { llama } from './families/llama.ts';
import { describeModel, registerFamily } from './family.ts';
import { ropesOf } from './program.ts';

const config = (part: Record<string, unknown> = {}) => ({ ...tinyLlama().config, ...part });

test('a LLaMA is described by its config.json alone', () => {
  const description = describeModel(config());
  expect(description).toMatchObject({ family: 'llama', hidden: 32, blocks: 2, vocab: 50, maxPositions: 256 });
  expect(description.taps).toEqual([
    { name: 'attn_in', channels: 32 },
    { name: 'attn_out', channels: 32 },
    { name: 'mlp_in', channels: 32 },
    { name: 'mlp_out', channels: 48 },
  ]);
  expect(description.linears.map(({ name, tap, rows, cols }) => `${name} ${tap} ${rows}x${cols}`)).toEqual([
    'q_proj attn_in 32x32',
    'k_proj attn_in 16x32',
    'v_proj attn_in 16x32',
    'o_proj attn_out 32x32',
    'gate_proj mlp_in 48x32',
    'up_proj mlp_in 48x32',
    'down_proj mlp_out 32x48',
  ]);
  expect(description.linears.at(-1)!.weight(1)).toBe('model.layers.1.mlp.down_proj.weight');
});

test('a description names exactly the tensors of its checkpoint', () => {
  for (const part of [
    {},
    { tie_word_embeddings: false, attention_bias: true, mlp_bias: true, head_dim: 12 },
  ]) {
    const { config: whole, tensors } = tinyLlama(part);
    const description = describeModel(whole);
    const named = [
      ...description.outerTensors,
      ...[0, 1].flatMap((block) => tensorsOfBlock(description, block)),
    ].map(({ name, shape }) => [name, shape]);
    expect(new Map(named as [string, number[]][])).toEqual(
      new Map([...tensors].map(([name, { shape }]) => [name, shape])),
    );
  }
});

test('fields that may be left out have the defaults of Hugging Face', () => {
  const description = describeModel({
    model_type: 'llama',
    hidden_size: 64,
    intermediate_size: 64,
    num_hidden_layers: 1,
    num_attention_heads: 4,
    vocab_size: 10,
  });
  expect(description).toMatchObject({
    maxPositions: 2048,
    program: { head: [{ epsilon: 1e-6 }, { weight: 'lm_head.weight' }] },
  });
  expect(ropesOf(description.program)).toEqual([{ type: 'default', channels: 16, theta: 10_000 }]);
  expect(description.linears[1]).toMatchObject({ name: 'k_proj', rows: 64 });
});

test('an architecture that is not known is refused, and those that are known are listed', () => {
  for (const unknown of [
    { architectures: ['GPT9ForCausalLM'] },
    { architectures: null, model_type: 'gpt9' },
  ]) {
    expect(thrownBy(() => describeModel(config(unknown)))).toMatchObject({
      kind: 'unsupported',
      message: expect.stringMatching(/gpt9/i),
      hint: expect.stringContaining('LlamaForCausalLM'),
    });
  }
  expect(thrownBy(() => describeModel({}))).toMatchObject({ kind: 'unsupported' });
});

test.each([
  [{ hidden_act: 'gelu' }, 'unsupported', "hidden_act 'gelu'"],
  [{ quantization_config: { bits: 4 } }, 'unsupported', 'quantization_config'],
  [{ hidden_size: 100_000, head_dim: 8, vocab_size: 1_000_000 }, 'unsupported', 'model.embed_tokens.weight'],
  [{ num_key_value_heads: 3 }, 'checkpoint', 'num_key_value_heads 3'],
  [{ hidden_size: 30, head_dim: null }, 'checkpoint', '7.5 channels a head'],
  [{ head_dim: 7 }, 'checkpoint', '7 channels a head'],
  [{ hidden_size: undefined }, 'checkpoint', 'hidden_size'],
  [{ num_hidden_layers: 1e9 }, 'checkpoint', 'num_hidden_layers'],
  [{ vocab_size: -1 }, 'checkpoint', 'vocab_size'],
  [{ rms_norm_eps: 'small' }, 'checkpoint', 'rms_norm_eps'],
  [{ architectures: 'LlamaForCausalLM' }, 'checkpoint', 'architectures'],
])('%j is refused: %s, naming %s', (part, kind, name) => {
  expect(thrownBy(() => describeModel(config(part)))).toMatchObject({
    kind,
    message: expect.stringContaining(name),
  });
});

test('a family of one’s own comes in through the same door, once', () => {
  const own = { ...llama, name: 'own', architectures: ['OwnForCausalLM'], modelTypes: [] };
  registerFamily(own);
  expect(describeModel(config({ architectures: ['OwnForCausalLM'] })).hidden).toBe(32);
  expect(
    thrownBy(() => {
      registerFamily(own);
    }),
  ).toMatchObject({ kind: 'usage' });
});
