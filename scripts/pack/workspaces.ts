import { readFileSync } from 'node:fs';
import path from 'node:path';

/** What is read of a package.json. */
export interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly description?: string;
  readonly private?: boolean;
  readonly license?: string;
  readonly type?: string;
  readonly engines?: Readonly<Record<string, string>>;
  readonly bin?: Readonly<Record<string, string>>;
  readonly exports?: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly files?: readonly string[];
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  /** Fields that the package has once it is packed, instead of those of the workspace. */
  readonly publishConfig?: Partial<PackedManifest>;
}

/** A package.json as it is packed. */
export interface PackedManifest extends Omit<Manifest, 'private' | 'publishConfig' | 'devDependencies'> {
  readonly scripts?: Readonly<Record<string, string>>;
  readonly bundleDependencies?: readonly string[];
}

/** A package of this repository. */
export interface Workspace {
  /** An absolute path. */
  readonly folder: string;
  readonly manifest: Manifest;
}

interface LockedPackage {
  /** What the package is called where it was installed under another name. */
  readonly name?: string;
  readonly version?: string;
  /** The folder of a workspace, for a `link`. */
  readonly resolved?: string;
  readonly link?: boolean;
}

/** The packages of this repository, and the versions that it is tested with, as the lockfile has them. */
export interface Repository {
  readonly folder: string;
  readonly manifest: Manifest;
  /** By name. */
  readonly workspaces: ReadonlyMap<string, Workspace>;
  /** The version of a dependency that a workspace gets, as a package.json names it. */
  lockedVersion(workspace: Workspace, dependency: string): string;
}

/** Reads a repository whose package-lock.json is up to date. */
export function readRepository(folder: string): Repository {
  const read = (file: string): unknown => JSON.parse(readFileSync(path.join(folder, file), 'utf8'));
  const { packages } = read('package-lock.json') as {
    readonly packages: Readonly<Record<string, LockedPackage>>;
  };
  const workspaces = new Map<string, Workspace>();
  for (const { link, resolved } of Object.values(packages)) {
    if (link !== true || resolved === undefined) continue;
    const manifest = read(path.join(resolved, 'package.json')) as Manifest;
    workspaces.set(manifest.name, { folder: path.join(folder, resolved), manifest });
  }
  return {
    folder,
    manifest: read('package.json') as Manifest,
    workspaces,
    lockedVersion(workspace, dependency) {
      const own = `${path.relative(folder, workspace.folder)}/node_modules/${dependency}`;
      const locked = packages[own] ?? packages[`node_modules/${dependency}`];
      if (locked?.version === undefined) {
        throw new Error(`package-lock.json has no ${dependency}, which ${workspace.manifest.name} needs`);
      }
      return locked.name === undefined ? locked.version : `npm:${locked.name}@${locked.version}`;
    },
  };
}
