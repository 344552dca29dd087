import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import type { Manifest, Repository } from './workspaces.ts';

/** A package that is needed, and where it is: a folder of the checkout, or one below a node_modules. */
export interface InstalledPackage {
  readonly name: string;
  readonly folder: string;
}

interface InstalledManifest extends Manifest {
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
}

/**
 * All packages that some workspaces need while they run, themselves included, each once, as npm has installed them.
 *
 * @throws Error where one is missing that is not optional
 */
export function installedClosure(repository: Repository, entries: readonly string[]): InstalledPackage[] {
  const found = new Map<string, InstalledPackage>();
  const visit = (name: string, from: string, needed: boolean) => {
    const folder = repository.workspaces.get(name)?.folder ?? locate(repository.folder, name, from);
    if (folder === undefined) {
      if (needed) throw new Error(`${name} is not installed, and ${from} needs it: run npm ci`);
      return;
    }
    if (found.has(folder)) return;
    found.set(folder, { name, folder });
    const file = readFileSync(path.join(folder, 'package.json'), 'utf8');
    const {
      dependencies = {},
      optionalDependencies = {},
      peerDependencies = {},
    } = JSON.parse(file) as InstalledManifest;
    for (const next of Object.keys(dependencies)) visit(next, folder, !(next in optionalDependencies));
    for (const next of Object.keys({ ...optionalDependencies, ...peerDependencies }))
      visit(next, folder, false);
  };
  for (const entry of entries) visit(entry, repository.folder, true);
  return [...found.values()];
}

/** Where a package finds another one: in the nearest node_modules around it. */
function locate(root: string, name: string, from: string): string | undefined {
  for (let at = from; ; at = path.dirname(at)) {
    const folder = path.join(at, 'node_modules', name);
    if (existsSync(path.join(folder, 'package.json'))) return folder;
    if (at === root) return undefined;
  }
}
