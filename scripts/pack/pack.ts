import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { planPackages } from './plan.ts';
import { stagePackage } from './stage.ts';
import { readRepository } from './workspaces.ts';

/**
 * Leaves a tarball of every package that people install in a folder, which is emptied first. The workspaces must be built.
 *
 * @returns the tarballs, by the name of their package
 */
export function packAll(root: string, destination: string): ReadonlyMap<string, string> {
  rmSync(destination, { recursive: true, force: true });
  mkdirSync(destination, { recursive: true });
  const stage = mkdtempSync(path.join(tmpdir(), 'esparse-pack-'));
  try {
    const tarballs = planPackages(readRepository(root)).map((plan) => {
      const folder = path.join(stage, plan.manifest.name);
      stagePackage(plan, root, folder);
      const tarball = npmPack(folder, destination);
      return [plan.manifest.name, path.join(destination, tarball)] as const;
    });
    return new Map(tarballs);
  } finally {
    rmSync(stage, { recursive: true, force: true });
  }
}

/** The name of the tarball. */
function npmPack(folder: string, destination: string): string {
  const args = ['pack', '--loglevel', 'error', '--pack-destination', destination];
  return execFileSync('npm', args, { cwd: folder, encoding: 'utf8' }).trim();
}
