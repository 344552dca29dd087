import * as model from './index.ts';

test('the public surface is this', () => {
  expect(Object.keys(model).sort()).toEqual([
    'BLOCK_INPUT',
    'BLOCK_OUTPUT',
    'biasSlot',
    'buildBlockGraph',
    'checkTensors',
    'createBlockRunner',
    'createHead',
    'createMatrixProducts',
    'describeCheckpoint',
    'describeModel',
    'embedTokens',
    'inputsOf',
    'instructionSet',
    'numericsId',
    'productsId',
    'registerFamily',
    'ropeFrequencies',
    'ropeTables',
    'tensorsOfBlock',
    'weightSlot',
  ]);
});
