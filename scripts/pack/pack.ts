/**
 * `npm run pack`: leaves a tarball of every package that people install in dist/packages. The workspaces must be built.
 * docs/install.md says how they are used.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { planPackages } from './plan.ts';
import { stagePackage } from './stage.ts';
import { readRepository } from './workspaces.ts';

const root = path.join(import.meta.dirname, '../..');
const destination = path.resolve(process.argv[2] ?? path.join(root, 'dist/packages'));

rmSync(destination, { recursive: true, force: true });
mkdirSync(destination, { recursive: true });
const stage = mkdtempSync(path.join(tmpdir(), 'esparse-pack-'));
try {
  for (const plan of planPackages(readRepository(root))) {
    const folder = path.join(stage, plan.manifest.name);
    stagePackage(plan, root, folder);
    execFileSync('npm', ['pack', '--pack-destination', destination, '--loglevel', 'error'], {
      cwd: folder,
      stdio: 'inherit',
    });
  }
} finally {
  rmSync(stage, { recursive: true, force: true });
}
