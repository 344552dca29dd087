import { thrownBy, tinyLlama } from '@esparse/laws';
import { checkTensors, refuseOthers, type StoredTensor } from './check-tensors.ts';
import { describeModel } from './family.ts';

const { config, tensors } = tinyLlama();
const description = describeModel(config);
const NAME = 'model.layers.1.mlp.down_proj.weight';

test('a checkpoint that holds what config.json implies passes', () => {
  checkTensors(description, tensors);
});

const refused = (names: readonly string[], ignoredTensors?: readonly RegExp[]) => {
  const model = ignoredTensors === undefined ? description : { ...description, ignoredTensors };
  refuseOthers(model, new Set(tensors.keys()), [...tensors.keys(), ...names]);
};

test('tensors that nothing computes with may stand beside those of the model', () => {
  refused(['model.layers.0.self_attn.rotary_emb.inv_freq', 'lm_head.weight']);
  refused(['transformer.h.0.attn.bias'], [/\.attn\.bias$/]);
});

test('tensors that the model does not know are refused, the first of them by name', () => {
  const many = Array.from({ length: 5 }, (_, i) => `model.layers.${i}.self_attn.q_proj.bias`);
  expect(
    thrownBy(() => {
      refused(many);
    }),
  ).toMatchObject({
    kind: 'checkpoint',
    message: expect.stringMatching(/'llama'.*'model\.layers\.0\.self_attn\.q_proj\.bias', .* and 2 more$/),
    hint: expect.stringContaining('--family'),
  });
});

test('a missing tensor is named with the shape it should have', () => {
  const rest = new Map([...tensors].filter(([name]) => name !== NAME));
  expect(
    thrownBy(() => {
      checkTensors(description, rest);
    }),
  ).toMatchObject({ kind: 'checkpoint', message: expect.stringMatching(`'${NAME}'.*32 x 48`) });
});

test.each([[[48, 32]], [[32]], [[]], [[32, 48, 1]]])('a tensor of shape %j instead is refused', (shape) => {
  const wrong = new Map<string, StoredTensor>([...tensors, [NAME, { shape, dtype: 'BF16' }]]);
  expect(
    thrownBy(() => {
      checkTensors(description, wrong);
    }),
  ).toMatchObject({
    kind: 'checkpoint',
    message: expect.stringMatching(`'${NAME}' is .*BF16, but config.json implies 32 x 48`),
  });
});
