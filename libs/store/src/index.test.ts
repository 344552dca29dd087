import * as api from './index.ts';

test('the public surface is what is meant to be', () => {
  expect(Object.keys(api).sort()).toEqual([
    'checksumLarge',
    'collectGarbage',
    'commitWith',
    'createOrOpenStore',
    'hexOf',
    'openHidden',
    'openStore',
    'requireSound',
    'verifyStore',
  ]);
});
