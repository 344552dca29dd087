import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { commandReference } from './command-reference.ts';
import { createProgram } from './program.ts';

test('docs/cli.md is what the commands say of themselves (else: npm run docs)', async () => {
  const file = path.join(import.meta.dirname, '../../../docs/cli.md');
  expect(await readFile(file, 'utf8')).toBe(commandReference(await createProgram()));
});

test('every option has a description and an environment variable', async () => {
  for (const command of (await createProgram()).commands) {
    for (const option of command.options) {
      expect(option.description).not.toBe('');
      expect(option.envVar).toMatch(/^ESPARSE_/);
    }
  }
});
