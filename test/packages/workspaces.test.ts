import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { readRepository } from '../../scripts/pack/workspaces.ts';
import { REPOSITORY } from '../support/repository.ts';

const repository = readRepository(REPOSITORY);
const workspaces = [...repository.workspaces.values()];

test('all packages have one version, and depend on each other in that version', () => {
  const { version } = repository.manifest;
  for (const { manifest } of workspaces) {
    expect(manifest).toMatchObject({ name: manifest.name, version });
    for (const [name, range] of Object.entries({ ...manifest.dependencies, ...manifest.devDependencies })) {
      if (repository.workspaces.has(name))
        expect({ of: manifest.name, name, range }).toMatchObject({ range: version });
    }
  }
});

test('every dependency of a workspace is in the lockfile', () => {
  for (const workspace of workspaces) {
    for (const name of Object.keys(workspace.manifest.dependencies ?? {})) {
      if (repository.workspaces.has(name)) continue;
      expect(repository.lockedVersion(workspace, name)).toMatch(/\d+\.\d+\.\d+/);
    }
  }
});

test('a package is built after those that it depends on: its tsconfig.build.json refers to theirs', () => {
  const configOf = (folder: string) => path.join(folder, 'tsconfig.build.json');
  const built = workspaces.filter(({ folder }) => existsSync(configOf(folder)));
  for (const { folder, manifest } of built) {
    const { references = [] } = JSON.parse(readFileSync(configOf(folder), 'utf8')) as {
      readonly references?: readonly { readonly path: string }[];
    };
    const needed = built.filter((other) => other.manifest.name in (manifest.dependencies ?? {}));
    expect({
      of: manifest.name,
      references: references.map((to) => path.join(folder, to.path)).sort(),
    }).toEqual({
      of: manifest.name,
      references: needed.map((other) => configOf(other.folder)).sort(),
    });
  }
});

test('no package builds itself: the one build of the repository builds all of them, in order', () => {
  const builders = workspaces.filter(({ folder }) => {
    const { scripts = {} } = JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8')) as {
      readonly scripts?: Readonly<Record<string, string>>;
    };
    return 'build' in scripts;
  });
  expect(builders.map(({ manifest }) => manifest.name)).toEqual([]);
});

test('no version of npm runs the install script of onnxruntime-node, which would download CUDA’s libraries', () => {
  const read = (file: string): unknown => JSON.parse(readFileSync(path.join(REPOSITORY, file), 'utf8'));
  expect(read('package.json')).toMatchObject({ allowScripts: { 'onnxruntime-node': false } });
  // What npm does not know `allowScripts` goes by (docs/decisions/packages.md); `npm install` of a new version says it again.
  const { packages } = read('package-lock.json') as { readonly packages: Readonly<Record<string, object>> };
  expect(packages['node_modules/onnxruntime-node']).not.toHaveProperty('hasInstallScript');
});
