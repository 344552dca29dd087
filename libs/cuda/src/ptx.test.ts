import { readFileSync } from 'node:fs';
import path from 'node:path';
import { MODULES, PTX, PTX_SOURCES, sourceDigest } from './testing/ptx-sources.ts';

test('the PTX is that of the sources: `npm run cuda:ptx` after a change of a kernel', () => {
  expect(JSON.parse(readFileSync(PTX_SOURCES, 'utf8'))).toEqual({ sources: sourceDigest() });
});

test.each(Object.entries(MODULES))(
  'the PTX of %s is for sm_%s, and for drivers of CUDA 12.5',
  (name, architecture) => {
    const ptx = readFileSync(path.join(PTX, `${name}.ptx`), 'utf8');
    expect(ptx).toMatch(/^\.version 8\.5$/m);
    expect(ptx).toMatch(new RegExp(`^\\.target sm_${architecture}$`, 'm'));
  },
);
