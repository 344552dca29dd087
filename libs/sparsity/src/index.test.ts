import * as api from './index.ts';

test('the public surface is this, and nothing else', () => {
  expect(Object.keys(api).sort()).toEqual([
    'both',
    'canonicalOrder',
    'checkPackedLinear',
    'eSparse',
    'formatPattern',
    'global',
    'identityOrder',
    'isPattern',
    'isPermutation',
    'local',
    'lsa',
    'magnitude',
    'maskLinear',
    'none',
    'packLinear',
    'packedShapes',
    'parsePattern',
    'requireDivisible',
    'ria',
    'unpackLinear',
    'unpackToF32',
    'wanda',
  ]);
});
