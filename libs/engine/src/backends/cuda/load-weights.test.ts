import { describeModel } from '@esparse/model';
import { defineEncoding, registerEncoding } from '@esparse/sparsity';
import type { ArrayGroup, ModelArrays } from '../../weights/model-arrays.ts';
import { decoderProgramOf } from './decoder-program.ts';
import { DecoderWeights } from './load-weights.ts';

const SIZES = {
  hidden_size: 128,
  intermediate_size: 256,
  num_hidden_layers: 2,
  num_attention_heads: 2,
  num_key_value_heads: 1,
  vocab_size: 100,
};
const LLAMA = { architectures: ['LlamaForCausalLM'], ...SIZES };
const MIXTRAL = { architectures: ['MixtralForCausalLM'], num_local_experts: 4, ...SIZES };

const pruned = { keep: 2, group: 4, keptScore: { before: 1, after: 1 } };
const integers = (bits: number) => ({ ...pruned, encoding: 'quantized-v1', bits, span: 16, tileRows: 16 });
const bf16 = { ...pruned, encoding: 'index-v1', dtype: 'bf16', tileRows: 16 };
registerEncoding(
  defineEncoding({
    ...{ name: 'mine', values: 'mine' },
    arrays: ({ rows, each }) => ({ values: { type: 'uint8', shape: [rows, each] } }),
    encode: ({ values }) => ({ values: Uint8Array.from(values) }),
    decode: ({ each }) => ({ values: new Float32Array(each), positions: new Int32Array(each) }),
  }),
);

/** A model whose arrays nobody may read: what a store says of a linear is `said` by the linear's name. */
async function opened(config: Record<string, unknown>, said: (name: string) => object | undefined) {
  const description = describeModel(config);
  const groupOf = (name: string, sizes: readonly { name: string; rows: number; cols: number }[]) => {
    const linears = new Map(
      sizes.flatMap(({ name: linear, rows, cols }) => {
        const attributes = said(linear);
        return attributes ? [[linear, { rows, cols, ...attributes }]] : [];
      }),
    );
    return {
      name,
      arrays: new Map([...linears.keys()].map((linear) => [`${linear}/values`, {}])),
      groupAttributes: (linear: string) => linears.get(linear) ?? {},
    } as unknown as ArrayGroup;
  };
  const tables = description.outerTensors.map(({ name, shape: [rows = 1, cols = 1] }) => ({
    name,
    rows,
    cols,
  }));
  const arrays: ModelArrays = {
    dense: () => Promise.resolve(groupOf('dense', tables)),
    block: (k) => Promise.resolve(groupOf(`blocks/${k}`, description.linears)),
    close: () => Promise.resolve(),
  };
  return DecoderWeights.open(arrays, description, decoderProgramOf(description, 60));
}

const isEmbedding = (name: string) => name.includes('embed');

test('integers of 8 and 4 bits stay what they are beside experts in bf16', async () => {
  const llama = await opened(LLAMA, (name) =>
    isEmbedding(name) ? undefined : integers(/[qkv]_/.test(name) ? 8 : 4),
  );
  expect(llama).toMatchObject({ expanded: 0, bits: new Set([4, 8]) });
  const mixture = await opened(MIXTRAL, (name) => {
    if (/[qkvo]_proj/.test(name)) return integers(8);
    return /gate_proj|up_proj|down_proj/.test(name) ? bf16 : undefined;
  });
  expect(mixture).toMatchObject({ expanded: 0, bits: new Set([8]) });
  expect(mixture.bytes.linears).toBeLessThan(mixture.bytes.denseLinears);
});

test.each([
  ['integers of 3 bits', LLAMA, 'o_proj', integers(3), 'blocks/0: o_proj is integers of 3 bits'],
  ['an encoding of one’s own', LLAMA, 'down_proj', { ...pruned, encoding: 'x-mine' }, 'x-mine'],
  ['a table of 3 bits', LLAMA, 'embed', { ...integers(3), keep: 1, group: 1 }, 'integers of 3 bits'],
  ['experts in integers', MIXTRAL, 'up_proj', integers(8), 'up_proj, of an expert, is integers'],
])('%s: refused by name, before anything is loaded', async (_, config, where, attributes, message) => {
  await expect(
    opened(config, (name) => (name.includes(where) ? attributes : undefined)),
  ).rejects.toMatchObject({
    kind: 'unsupported',
    message: expect.stringContaining(message),
  });
});
