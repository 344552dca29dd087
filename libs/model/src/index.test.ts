import * as model from './index.ts';

test('the public surface is this', () => {
  expect(Object.keys(model).sort()).toEqual([
    'BLOCK_INPUT',
    'BLOCK_OUTPUT',
    'CPU',
    'DEVICES',
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
    'openDevice',
    'productsId',
    'registerFamily',
    'ropeFrequencies',
    'ropeTables',
    'tensorsOfBlock',
    'weightSlot',
  ]);
});
