import { thrownBy, tinyLlama } from '@esparse/laws';
import { checkTensors, type StoredTensor } from './check-tensors.ts';
import { describeModel } from './family.ts';

const { config, tensors } = tinyLlama();
const description = describeModel(config);
const NAME = 'model.layers.1.mlp.down_proj.weight';

test('a checkpoint that holds what config.json implies passes, whatever else it holds', () => {
  checkTensors(description, tensors);
  checkTensors(
    description,
    new Map<string, StoredTensor>([...tensors, ['model.rotary', { shape: [], dtype: 'I64' }]]),
  );
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
