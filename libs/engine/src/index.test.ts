import * as api from './index.ts';

test('the public surface is what is meant to be', () => {
  expect(Object.keys(api).sort()).toEqual([
    'Scheduler',
    'argmax',
    'createAdmission',
    'createSampler',
    'generate',
    'logSumExp',
    'openEngine',
    'topLogprobs',
  ]);
});
