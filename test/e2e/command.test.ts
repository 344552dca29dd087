import { realpath } from 'node:fs/promises';
import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import { scratchFolder } from '../support/folders.ts';
import { ESPARSE, EXAMPLE_CALIBRATION, EXAMPLE_MODEL, REPOSITORY } from '../support/repository.ts';

const at = scratchFolder();

// The package esprima, which many tools bring along, has a command of the same name.
test('`npx esparse` in the repository is our command, not that of a dependency', async () => {
  expect(await realpath(path.join(REPOSITORY, 'node_modules/.bin/esparse'))).toBe(await realpath(ESPARSE));
});

test.each([
  [
    'a run',
    `prune --model ${EXAMPLE_MODEL} --calibration ${EXAMPLE_CALIBRATION} --samples 2 --seqlen 64 --json`,
  ],
  ['a plan', `plan --model ${EXAMPLE_MODEL} --pipeline magnitude`],
])('%s whose reader has closed the pipe ends silently, as by SIGPIPE', async (_what, command) => {
  const store = command.startsWith('prune') ? `--store ${at('store')}` : '';
  const script = `${process.execPath} ${ESPARSE} ${command} ${store} | true; echo "\${PIPESTATUS[0]}"`;
  const { stdout, stderr } = await promisify(execFile)('bash', ['-c', script], { env: process.env });
  expect([stdout, stderr]).toEqual(['141\n', '']);
});

const onLinux = process.platform === 'linux' ? test : test.skip;

onLinux.each([
  [
    'a run',
    `prune --model ${EXAMPLE_MODEL} --calibration ${EXAMPLE_CALIBRATION} --samples 2 --seqlen 64 --json --store`,
  ],
  ['a list', 'pipelines'],
])('%s whose output finds no room ends with 2, and says so without a stack', async (_what, command) => {
  const store = command.startsWith('prune') ? at('unwritten') : '';
  const script = `${process.execPath} ${ESPARSE} ${command} ${store} > /dev/full; echo "$?"`;
  const { stdout, stderr } = await promisify(execFile)('bash', ['-c', script], { env: process.env });
  expect([stdout, stderr.split('\n')]).toEqual([
    '2\n',
    [
      expect.stringMatching(/^error: the output cannot be written: ENOSPC/),
      '  free some space, or send the output elsewhere',
      '',
    ],
  ]);
});
