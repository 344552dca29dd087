import { readFileSync } from 'node:fs';
import { PTX, PTX_SOURCES, sourceDigest } from './testing/ptx-sources.ts';

test('the PTX is that of the sources: `npm run cuda:ptx` after a change of a kernel', () => {
  expect(JSON.parse(readFileSync(PTX_SOURCES, 'utf8'))).toEqual({ sources: sourceDigest() });
});

test('the PTX is for Hopper and what came after it, and for drivers of CUDA 12.5', () => {
  const ptx = readFileSync(PTX, 'utf8');
  expect(ptx).toMatch(/^\.version 8\.5$/m);
  expect(ptx).toMatch(/^\.target sm_90$/m);
});
