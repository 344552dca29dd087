import { planPackages } from '../../scripts/pack/plan.ts';
import type { Manifest, Repository } from '../../scripts/pack/workspaces.ts';

/** A repository of these packages, in which every dependency from elsewhere is locked at 1.2.3. */
function repositoryOf(...manifests: (Partial<Manifest> & { readonly name: string })[]): Repository {
  const workspaces = manifests.map((manifest) => ({
    folder: `/${manifest.name}`,
    manifest: { version: '0.2.0', ...manifest },
  }));
  return {
    folder: '/',
    manifest: { name: 'root', version: '0.2.0', engines: { node: '>=20' } },
    workspaces: new Map(workspaces.map((workspace) => [workspace.manifest.name, workspace])),
    lockedVersion: () => '1.2.3',
  };
}

const namesOf = (plans: readonly { readonly manifest: { readonly name: string } }[]) =>
  plans.map(({ manifest }) => manifest.name);

test('a package for each workspace that is not private, which holds the workspaces that it needs', () => {
  const plans = planPackages(
    repositoryOf(
      { name: 'api', dependencies: { core: '0.2.0' } },
      { name: 'core', private: true, dependencies: { base: '0.2.0' } },
      { name: 'base', private: true },
      { name: 'bench', private: true, dependencies: { core: '0.2.0' } },
    ),
  );
  expect(namesOf(plans)).toEqual(['api']);
  expect(namesOf(plans[0]!.bundled)).toEqual(['base', 'core']);
  expect(plans[0]!.manifest.bundleDependencies).toEqual(['base', 'core']);
});

test('what is compiled where it is installed is never inside another package: one copy serves all', () => {
  const compiled = { scripts: { install: 'make' } };
  const [, cli] = planPackages(
    repositoryOf(
      { name: 'kernels', publishConfig: compiled },
      { name: 'cli', dependencies: { core: '0.2.0' } },
      { name: 'core', private: true, dependencies: { kernels: '0.2.0' } },
    ),
  );
  expect(namesOf(cli!.bundled)).toEqual(['core']);
  expect(cli!.manifest.dependencies).toEqual({ core: '0.2.0', kernels: '0.2.0' });
});

test('a package depends on what it and all that it holds need from elsewhere', () => {
  const [api] = planPackages(
    repositoryOf(
      { name: 'api', dependencies: { core: '0.2.0', zod: '^4.0.0' } },
      { name: 'core', private: true, dependencies: { rxjs: '^7.8.0', zod: '^4.0.0' } },
    ),
  );
  expect(api!.manifest.dependencies).toEqual({ core: '0.2.0', rxjs: '^7.8.0', zod: '^4.0.0' });
});

test('a command pins what it was tested with, a library leaves it to the project', () => {
  const dependencies = { zod: '^1.0.0' };
  const [cli, api] = planPackages(
    repositoryOf({ name: 'cli', bin: { cli: 'cli.mjs' }, dependencies }, { name: 'api', dependencies }),
  );
  expect(cli!.manifest.dependencies).toEqual({ zod: '1.2.3' });
  expect(api!.manifest.dependencies).toEqual({ zod: '^1.0.0' });
});

test('two workspaces of one package that need different versions of a dependency are refused', () => {
  const repository = repositoryOf(
    { name: 'api', dependencies: { core: '0.2.0', zod: '^4.0.0' } },
    { name: 'core', private: true, dependencies: { zod: '^3.0.0' } },
  );
  expect(() => planPackages(repository)).toThrow('api would need both zod ^4.0.0 and ^3.0.0 (in core)');
});

test('no package names the sources, and a command names no types', () => {
  const exports = {
    '.': { source: './src/index.ts', types: './dist/index.d.ts', default: './dist/index.js' },
  };
  const [cli, api] = planPackages(
    repositoryOf({ name: 'cli', bin: { cli: 'cli.mjs' }, exports }, { name: 'api', exports }),
  );
  expect(cli!.manifest.exports).toEqual({ '.': { default: './dist/index.js' } });
  expect(api!.manifest.exports).toEqual({ '.': { types: './dist/index.d.ts', default: './dist/index.js' } });
});
