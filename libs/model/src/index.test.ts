import * as model from './index.ts';

test('the public surface is this', () => {
  expect(Object.keys(model).sort()).toEqual([
    'BLOCK_INPUT',
    'BLOCK_OUTPUT',
    'LOGITS',
    'MAX_SEQLEN',
    'OPERATIONS',
    'biasSlot',
    'checkTensors',
    'describeCheckpoint',
    'describeModel',
    'linearNamed',
    'neededFor',
    'operationOf',
    'outerTensor',
    'registerFamily',
    'ropeFrequencies',
    'ropeTables',
    'slotShapes',
    'tensorsOfBlock',
    'weightSlot',
    'widthsOf',
  ]);
});
