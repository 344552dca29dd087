import { thrownBy } from '@esparse/laws';
import { OPERATIONS, operationOf, type BlockOp } from './index.ts';

test('an operation is found by the name that a program gives it', () => {
  const op: BlockOp = { op: 'add', left: 'a', right: 'b', output: 'c' };
  expect(operationOf(op)).toBe(OPERATIONS.add);
  expect(operationOf(op).inputs(op)).toEqual(['a', 'b']);
});

test('a name that is no operation is refused, and those that are known are listed', () => {
  for (const op of ['convolution', 'toString']) {
    expect(thrownBy(() => operationOf({ op } as unknown as BlockOp))).toMatchObject({
      kind: 'usage',
      message: `a program has no operation '${op}'`,
      hint: expect.stringContaining('rmsNorm, layerNorm, linear'),
    });
  }
});

test('what stands in a block without a mixture of experts says its gradient', () => {
  const { embedding, logits, router, experts, ...ofBlocks } = OPERATIONS;
  for (const operation of Object.values(ofBlocks)) expect(operation).toHaveProperty('gradient');
  for (const operation of [embedding, logits, router, experts])
    expect(operation).not.toHaveProperty('gradient');
});
