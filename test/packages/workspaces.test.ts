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
