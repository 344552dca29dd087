/**
 * One Jest configuration for every package: `npx jest` runs all tests, `npx jest -c ../../jest.config.mjs --rootDir .` those
 * of the package in the current folder.
 */
import { availableParallelism, tmpdir } from 'node:os';
import path from 'node:path';
import { memoryFolder } from './test/support/memory-folder.mjs';

const here = import.meta.dirname;
/** Packages that ship ES modules only, they or those inside them; Jest runs everything as CommonJS. */
const ESM_ONLY = [
  ...['zarr', 'zarrita', '@zarrita', 'numcodecs', 'p-limit', 'yocto-queue'],
  ...['log-update', 'cli-truncate', 'slice-ansi', 'environment', 'mimic-function', 'get-east-asian-width'],
];
/** Where tests are. The plug-ins of `examples` have tests of their own, for Node's runner. */
const PACKAGES = ['libs', 'services', 'pipelines', 'test'].map((folder) => path.join(here, folder));

// Whoever names a place for temporary files has them there; Jest's own cache stays where it is in any case.
const cacheDirectory = path.join(tmpdir(), `jest_${process.getuid?.().toString(36) ?? ''}`);
process.env.TMPDIR ??= memoryFolder() ?? tmpdir();

export default {
  cacheDirectory,
  ...(process.cwd() === here && { roots: PACKAGES }),
  // Three files at a time also on two cores: what starts processes waits for them, and some for a limit of time to pass.
  maxWorkers: Math.max(3, availableParallelism() - 1),
  testSequencer: path.join(here, 'test/support/jest-sequencer.cjs'),
  testMatch: ['**/*.test.ts'],
  testEnvironment: path.join(here, 'test/support/jest-environment.cjs'),
  testEnvironmentOptions: { customExportConditions: ['source', 'node', 'default'] },
  testPathIgnorePatterns: ['/node_modules/', '/dist/'],
  transform: {
    '\\.[cm]?[jt]s$': [
      '@swc/jest',
      { jsc: { target: 'es2022', parser: { syntax: 'typescript' } }, module: { type: 'commonjs' } },
    ],
  },
  // Their package.json names an "import" condition only, which a CommonJS resolver does not take.
  moduleNameMapper: {
    '^zarr$': path.join(here, 'node_modules/zarr/dist/src/index.js'),
    '^@zarrita/storage/(\\w+)$': path.join(here, 'node_modules/@zarrita/storage/dist/src/$1.js'),
    '^numcodecs/(\\w+)$': path.join(here, 'node_modules/numcodecs/dist/$1.js'),
  },
  transformIgnorePatterns: [`^(?!.*/node_modules/(${ESM_ONLY.join('|')})/).*/node_modules/`],
  // Jest runs files in contexts in which a global is slow to look up: a loop over `Math.fround` took ten times as long.
  sandboxInjectedGlobals: ['Math', 'Number', 'Object', 'BigInt', 'Atomics', 'Reflect', 'JSON'],
  // For what hangs: no verdict hangs on how busy the machine is.
  testTimeout: 300_000,
};
