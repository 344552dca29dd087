import { thrownBy, tinyLlama } from '@esparse/laws';
import { checkProgram } from './check-program.ts';
import type { ModelDescription } from './description.ts';
import { describeModel } from './family.ts';
import type { BlockOp } from './operations/index.ts';

const description = describeModel(tinyLlama({ attention_bias: true }).config);
const { program, taps, linears } = description;
const block = program.blocks[0]!;

const spec = { type: 'default', channels: 8, theta: 100 } as const;

/** The description with one operation of its block replaced. */
function withOp(at: number, op: Record<string, unknown>): ModelDescription {
  const changed = block.with(at, { ...block[at], ...op } as BlockOp);
  return { ...description, program: { ...program, blocks: [changed] } };
}

test('a description that holds together passes', () => {
  expect(() => {
    checkProgram(description);
  }).not.toThrow();
});

test.each<[string, ModelDescription]>([
  ["its block reads 'q_flat' before it is defined", withOp(1, { output: 'other' })],
  ["its block defines 'q_flat' twice", withOp(2, { output: 'q_flat' })],
  ["its block reads 'no_norm', which is no tensor of it", withOp(0, { weight: 'no_norm' })],
  ["its block uses the linear 'x_proj', which it does not list", withOp(1, { linear: 'x_proj' })],
  ["its linear 'q_proj' does not read the tap 'attn_in'", withOp(1, { input: 'hidden' })],
  ["its block does not define 'output'", withOp(block.length - 1, { output: 'end' })],
  [
    "its head has the operation 'rope', which belongs to the block",
    {
      ...description,
      program: {
        ...program,
        head: [{ op: 'rope', input: 'output', output: 'x', heads: 4, headDim: 8, spec }],
      },
    },
  ],
  [
    'block 1 is of the kind 1, of which there is no program',
    { ...description, program: { ...program, kindOf: (k) => k } },
  ],
  ["its embed does not define 'hidden'", { ...description, program: { ...program, embed: [] } }],
  ["its head does not define 'logits'", { ...description, program: { ...program, head: [] } }],
  ["'logits' of its head has 50 channels, not 51", { ...description, vocab: 51 }],
  [
    "'mlp_out' of its block has 48 channels, not 47",
    { ...description, taps: [{ name: 'mlp_out', channels: 47 }] },
  ],
  ["'q_proj' reads the tap 'attn_in', which it does not list", { ...description, taps: taps.slice(1) }],
  [
    "its block uses the linear 'extra' 0 times, not once",
    { ...description, linears: [...linears, { ...linears[0]!, name: 'extra' }] },
  ],
])('refused: %s', (message, broken) => {
  expect(
    thrownBy(() => {
      checkProgram(broken);
    }),
  ).toMatchObject({
    kind: 'usage',
    message: expect.stringContaining(`model family 'llama' describes no model: ${message}`),
  });
});

describe('a mixture of experts', () => {
  const mixtral = describeModel({
    architectures: ['MixtralForCausalLM'],
    ...{
      hidden_size: 32,
      intermediate_size: 48,
      num_hidden_layers: 1,
      num_attention_heads: 4,
      vocab_size: 40,
    },
    num_local_experts: 2,
  });
  const withExperts = (change: Record<string, unknown>): ModelDescription => {
    const ops = mixtral.program.blocks[0]!.map((op) => (op.op === 'experts' ? { ...op, ...change } : op));
    return { ...mixtral, program: { ...mixtral.program, blocks: [ops] } };
  };
  const ofLinear = (name: string, change: object): ModelDescription => ({
    ...mixtral,
    linears: mixtral.linears.map((each) => (each.name === name ? { ...each, ...change } : each)),
  });

  test.each<[string, ModelDescription]>([
    ['its block has linears of 2 experts, and runs 3', withExperts({ experts: 3 })],
    ["its block does not define 'mlp_delta'", withExperts({ program: [] })],
    ['the linears of its expert 1 are not those of its first', ofLinear('experts.1.up_proj', { rows: 47 })],
    [
      "its block uses the linear 'gate_proj', which it does not list",
      ['experts.0.gate_proj', 'experts.1.gate_proj'].reduce<ModelDescription>(
        (description, name) => ({
          ...description,
          linears: description.linears.map((each) =>
            each.name === name ? { ...each, name: name.replace('_proj', '') } : each,
          ),
        }),
        mixtral,
      ),
    ],
  ])('refused: %s', (message, broken) => {
    expect(
      thrownBy(() => {
        checkProgram(broken);
      }),
    ).toMatchObject({ kind: 'usage', message: expect.stringContaining(message) });
  });
});
