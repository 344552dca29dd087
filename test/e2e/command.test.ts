import { realpath } from 'node:fs/promises';
import path from 'node:path';
import { ESPARSE, REPOSITORY } from '../support/repository.ts';

// The package esprima, which many tools bring along, has a command of the same name.
test('`npx esparse` in the repository is our command, not that of a dependency', async () => {
  expect(await realpath(path.join(REPOSITORY, 'node_modules/.bin/esparse'))).toBe(await realpath(ESPARSE));
});
