import type { Manifest, PackedManifest, Repository, Workspace } from './workspaces.ts';

/** A package that people install. */
export interface PackagePlan {
  readonly workspace: Workspace;
  readonly manifest: PackedManifest;
  /** The workspaces that it needs: they travel inside it, in its node_modules. */
  readonly bundled: readonly BundledPlan[];
}

/** A workspace inside a package. */
export interface BundledPlan {
  readonly workspace: Workspace;
  readonly manifest: PackedManifest;
}

/**
 * One package for each workspace that is not private. The workspaces that it needs, directly or not, are bundled with it,
 * all but what is compiled where it is installed, of which one copy serves every package. What all of these need besides
 * is what the package depends on. A command pins the versions that it was tested with, since what it stores depends on
 * them; a library leaves them to the project that installs it.
 */
export function planPackages(repository: Repository): PackagePlan[] {
  return [...repository.workspaces.values()]
    .filter(({ manifest }) => manifest.private !== true)
    .map((workspace) => planPackage(repository, workspace));
}

function planPackage(repository: Repository, workspace: Workspace): PackagePlan {
  const { manifest } = workspace;
  const bundled = bundledWith(repository, workspace);
  const isCommand = manifest.bin !== undefined;
  const dependencies = new Map(bundled.map((each) => [each.manifest.name, each.manifest.version]));
  for (const each of [workspace, ...bundled]) {
    for (const [name, range] of Object.entries(each.manifest.dependencies ?? {})) {
      const wanted =
        isCommand && !repository.workspaces.has(name) ? repository.lockedVersion(each, name) : range;
      const known = dependencies.get(name);
      if (known !== undefined && known !== wanted) {
        throw new Error(
          `${manifest.name} would need both ${name} ${known} and ${wanted} (in ${each.manifest.name}): let all ` +
            'workspaces depend on the same version',
        );
      }
      dependencies.set(name, wanted);
    }
  }
  return {
    workspace,
    manifest: {
      ...packedManifest(manifest, isCommand),
      description: manifest.description ?? '',
      license: manifest.license ?? '',
      engines: repository.manifest.engines ?? {},
      dependencies: Object.fromEntries([...dependencies].sort(([a], [b]) => (a < b ? -1 : 1))),
      ...(bundled.length > 0 && { bundleDependencies: bundled.map((each) => each.manifest.name) }),
    },
    bundled: bundled.map((each) => ({
      workspace: each,
      manifest: packedManifest(each.manifest, isCommand),
    })),
  };
}

/** The workspaces that are bundled with one, each once, by name. */
function bundledWith({ workspaces }: Repository, workspace: Workspace): Workspace[] {
  const found = new Map<string, Workspace>();
  const visit = ({ manifest }: Workspace) => {
    for (const name of Object.keys(manifest.dependencies ?? {})) {
      const next = workspaces.get(name);
      if (next === undefined || isCompiled(next) || found.has(name)) continue;
      found.set(name, next);
      visit(next);
    }
  };
  visit(workspace);
  return [...found.values()].sort((a, b) => (a.manifest.name < b.manifest.name ? -1 : 1));
}

/** Whether a package builds something on the machine that it is installed on. */
function isCompiled({ manifest }: Workspace): boolean {
  return manifest.publishConfig?.scripts?.install !== undefined;
}

/** What every package.json says, whether it is installed by its name or bundled. */
function packedManifest(manifest: Manifest, isCommand: boolean): PackedManifest {
  const { name, version, type, bin, exports, files = ['dist'], publishConfig } = manifest;
  // Nobody compiles against a command.
  const left = isCommand ? ['source', 'types'] : ['source'];
  return {
    name,
    version,
    ...(type !== undefined && { type }),
    ...(bin !== undefined && { bin }),
    ...(exports !== undefined && {
      exports: Object.fromEntries(
        Object.entries(exports).map(([entry, conditions]) => [
          entry,
          Object.fromEntries(Object.entries(conditions).filter(([condition]) => !left.includes(condition))),
        ]),
      ),
    }),
    files: [...files, '!**/*.map', '!**/*.tsbuildinfo', ...(isCommand ? ['!**/*.d.ts'] : [])],
    ...publishConfig,
  };
}
