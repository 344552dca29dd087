import * as onnx from './index.ts';

test('the public surface is this', () => {
  expect(Object.keys(onnx).sort()).toEqual([
    'CPU',
    'DEVICES',
    'boundaryOf',
    'buildModelGraph',
    'createBlockLoss',
    'createBlockRunner',
    'createGraphRunner',
    'createHead',
    'createMatrixProducts',
    'createTensorSession',
    'embedTokens',
    'embedTokensRounded',
    'findBranches',
    'instructionSet',
    'openDevice',
    'packState',
    'productsId',
    'sequenceLogits',
    'tryDevice',
  ]);
});
