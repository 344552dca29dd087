import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { PackagePlan } from './plan.ts';
import type { PackedManifest, Workspace } from './workspaces.ts';

/** Lays a package out in an empty folder, as `npm pack` takes it. */
export function stagePackage(
  { workspace, manifest, bundled }: PackagePlan,
  root: string,
  folder: string,
): void {
  layOut(workspace, manifest, folder);
  cpSync(path.join(workspace.folder, 'README.md'), path.join(folder, 'README.md'));
  cpSync(path.join(root, 'LICENSE'), path.join(folder, 'LICENSE'));
  for (const each of bundled) {
    layOut(each.workspace, each.manifest, path.join(folder, 'node_modules', each.manifest.name));
  }
}

/** What `files` begins with is copied; `npm pack` leaves out what it excludes. */
function layOut(workspace: Workspace, manifest: PackedManifest, folder: string): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(folder, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
  for (const entry of manifest.files ?? []) {
    if (entry.startsWith('!')) continue;
    cpSync(path.join(workspace.folder, entry), path.join(folder, entry), { recursive: true });
  }
}
