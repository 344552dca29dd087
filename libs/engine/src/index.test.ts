import * as api from './index.ts';

test('the public surface is what is meant to be', () => {
  expect(Object.keys(api).sort()).toEqual([
    'SAMPLING_OPTIONS',
    'Scheduler',
    'argmax',
    'createAdmission',
    'createEngine',
    'createReplicas',
    'createSampler',
    'generate',
    'isCopied',
    'isWithin',
    'logSumExp',
    'logSumExps',
    'openEngine',
    'rangeInWords',
    'registerBackend',
    'sampleToken',
    'topLogprobs',
  ]);
});
