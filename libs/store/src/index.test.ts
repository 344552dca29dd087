import * as api from './index.ts';

test('the public surface is what is meant to be', () => {
  expect(Object.keys(api).sort()).toEqual([
    'FORMAT',
    'MemoryObjectStore',
    'checkKey',
    'checksumLarge',
    'collectGarbage',
    'createOrOpenStore',
    'fileObjectStore',
    'hexOf',
    'openHidden',
    'openObjects',
    'openStore',
    'zarrView',
  ]);
});
