import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { REPOSITORY } from './repository.ts';

/** Where `.ci/run` installs packages of Python, and what is there anyway. */
const CANDIDATES = [path.join(REPOSITORY, '.venv/bin/python'), 'python3'];

/**
 * A Python that has these modules: that of a variable, of a virtual environment `.venv` in the repository, or `python3`.
 * Undefined where none has: the tests that need it are then left out, and say so. Where the variable is set and its Python
 * lacks one, that is an error.
 *
 * @param packages what to install, for the message
 * @param variable @default ESPARSE_TEST_PYTHON
 */
export function pythonWith(
  modules: readonly string[],
  packages: string,
  variable = 'ESPARSE_TEST_PYTHON',
): string | undefined {
  const named = process.env[variable];
  const has = (python: string) => spawnSync(python, ['-c', `import ${modules.join(', ')}`]).status === 0;
  const found = (named === undefined ? CANDIDATES : [named]).find(has);
  if (found !== undefined) return found;
  const reason = `no Python with ${modules.join(', ')} (python3 -m venv .venv && .venv/bin/pip install ${packages})`;
  if (named !== undefined) throw new Error(`${variable} is ${named}: ${reason}`);
  process.stderr.write(`WARNING: what needs Python is not tested: ${reason}\n`);
  return undefined;
}
