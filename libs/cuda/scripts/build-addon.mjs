/**
 * Builds the addon with node-gyp, against the headers of the Node that runs this script where they are installed (no
 * download). It needs a C++ compiler and nothing of CUDA. Where it cannot be built, `--device cuda` says so.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';

// NVIDIA's GPUs of the kind that the kernels are for are in machines that run Linux.
if (process.platform !== 'linux') process.exit();
const home = path.join(import.meta.dirname, '..');
const nodeGyp = createRequire(import.meta.url).resolve('node-gyp/bin/node-gyp.js');
const prefix = path.join(path.dirname(process.execPath), '..');
const installed = existsSync(path.join(prefix, 'include/node/node_api.h')) ? [`--nodedir=${prefix}`] : [];

const built = spawnSync(process.execPath, [nodeGyp, 'rebuild', '--silent', '--jobs=max', ...installed], {
  cwd: home,
  stdio: 'inherit',
});
if (built.status !== 0) {
  rmSync(path.join(home, 'build'), { recursive: true, force: true });
  console.warn(
    'esparse: the addon for NVIDIA GPUs could not be built (node-gyp needs a C++17 compiler, make and Python 3).',
  );
}
