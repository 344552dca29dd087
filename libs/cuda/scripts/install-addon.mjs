/** When the package is installed: keeps the addon that came with it where it loads on this machine, else builds it. */
import { spawnSync } from 'node:child_process';
import path from 'node:path';

// It is for Linux; elsewhere there is nothing to build.
if (process.platform !== 'linux') process.exit();
const addon = path.join(import.meta.dirname, '../build/Release/esparse_cuda.node');
// In a process of its own: an addon for another machine may end it.
const loaded = spawnSync(process.execPath, ['-e', 'require(process.argv[1])', addon], { stdio: 'ignore' });
if (loaded.status !== 0 || process.env.npm_config_build_from_source === 'true')
  await import('./build-addon.mjs');
