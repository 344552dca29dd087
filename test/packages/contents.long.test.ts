import { execFileSync } from 'node:child_process';
import { statSync } from 'node:fs';
import path from 'node:path';
import { packAll } from '../../scripts/pack/pack.ts';
import { REPOSITORY } from '../support/repository.ts';
import { scratchFolder } from '../support/folders.ts';

const scratch = scratchFolder();
let tarballs: ReadonlyMap<string, string>;
const KIB = 1024;

beforeAll(() => {
  tarballs = packAll(REPOSITORY, scratch('packages'));
});

/** The files of a package. */
function filesOf(name: string): string[] {
  const list = execFileSync('tar', ['-tzf', tarballs.get(name)!], { encoding: 'utf8' });
  return list
    .trim()
    .split('\n')
    .map((file) => path.posix.relative('package', file));
}

const read = (name: string, file: string) =>
  execFileSync('tar', ['-xzOf', tarballs.get(name)!, `package/${file}`], { encoding: 'utf8' });

test('people install five packages', () => {
  expect([...tarballs.keys()].sort()).toEqual([
    '@esparse/api',
    '@esparse/cli',
    '@esparse/cuda',
    '@esparse/kernels',
    '@esparse/testing',
  ]);
});

describe.each([
  ['@esparse/api', 480],
  // Its example model alone takes 3 MiB; libraries are there as modules and in the bundle, what solves on GPUs with them.
  ['@esparse/cli', 5.25 * KIB],
  // PTX for Hopper, and what decodes and takes prompts in a second time for the A100, integers too; linears of many sequences for Hopper
  // alone, and for what comes after it. Compiled for one GPU, all of it would be smaller, and wait for the next driver.
  ['@esparse/cuda', 4.25 * KIB],
  ['@esparse/kernels', 2 * KIB],
  // The libraries that a stage is tried with, and those with what solves and scores on GPUs.
  ['@esparse/testing', 640],
])('%s', (name, mostKib) => {
  test(`takes at most ${mostKib} KiB`, () => {
    expect(statSync(tarballs.get(name)!).size).toBeLessThanOrEqual(mostKib * KIB);
  });

  test('says what it is, and under which terms', () => {
    expect(filesOf(name)).toEqual(expect.arrayContaining(['README.md', 'LICENSE', 'package.json']));
    expect(read(name, 'LICENSE')).toContain('Apache License');
    expect(JSON.parse(read(name, 'package.json'))).toMatchObject({
      name,
      license: 'Apache-2.0',
      description: expect.stringMatching(/\w/),
      engines: { node: expect.any(String) },
    });
  });

  test('holds nothing that only developers of esparse use', () => {
    const unwanted = filesOf(name).filter(
      (file) =>
        /(^|\/)(src|test|tests|testing|bench|harness|obj\.target)\//.test(file) ||
        /\.(test\.\w+|map|tsbuildinfo|o|d)$/.test(file) ||
        (file.endsWith('.ts') && !file.endsWith('.d.ts')),
    );
    expect(unwanted).toEqual([]);
  });

  test('brings along packages of esparse alone: npm installs the others', () => {
    const foreign = filesOf(name).filter((file) => /^node_modules\/(?!@esparse\/)/.test(file));
    expect(foreign).toEqual([]);
  });
});

test('types are in the packages that code is written against, and not in the command', () => {
  for (const name of ['@esparse/api', '@esparse/testing', '@esparse/kernels', '@esparse/cuda']) {
    expect(filesOf(name)).toContain('dist/index.d.ts');
  }
  expect(filesOf('@esparse/cli').filter((file) => file.endsWith('.d.ts'))).toEqual([]);
});

test.each(['@esparse/cuda', '@esparse/kernels'])(
  'every file that a source of %s includes is there',
  (name) => {
    const sources = filesOf(name).filter((file) => /^(native|kernels)\//.test(file));
    expect(sources.filter((file) => file.endsWith('.cc')).length).toBeGreaterThan(0);
    const missing = sources.flatMap((source) =>
      [...read(name, source).matchAll(/^\s*#\s*include "([^"]+)"/gm)]
        .map(([, file]) => file!)
        .filter((file) =>
          ['native', path.posix.dirname(source)].every(
            (folder) => !sources.includes(path.posix.join(folder, file)),
          ),
        )
        .map((file) => `${file}, included by ${source}`),
    );
    expect(missing).toEqual([]);
  },
);
