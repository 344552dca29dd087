import * as model from './index.ts';

test('the public surface is this', () => {
  expect(Object.keys(model).sort()).toEqual([
    'BLOCK_INPUT',
    'BLOCK_OUTPUT',
    'MAX_SEQLEN',
    'OPERATIONS',
    'biasSlot',
    'checkTensors',
    'describeCheckpoint',
    'describeModel',
    'linearNamed',
    'neededFor',
    'operationOf',
    'registerFamily',
    'ropeFrequencies',
    'ropeTables',
    'tensorsOfBlock',
    'weightSlot',
  ]);
});
