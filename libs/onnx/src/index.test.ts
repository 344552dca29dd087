import * as onnx from './index.ts';

test('the public surface is this', () => {
  expect(Object.keys(onnx).sort()).toEqual([
    'CPU',
    'DEVICES',
    'buildModelGraph',
    'createBlockLoss',
    'createBlockRunner',
    'createHead',
    'createMatrixProducts',
    'embedTokens',
    'instructionSet',
    'openDevice',
    'productsId',
    'sequenceLogits',
    'tryDevice',
  ]);
});
