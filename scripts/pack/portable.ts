import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { installedClosure } from './installed-closure.ts';
import { readRepository, type Workspace } from './workspaces.ts';

/** What nobody runs. */
const LEFT_OUT = /\.(map|tsbuildinfo|d\.[cm]?ts)$/;
const PLATFORMS = ['darwin', 'linux', 'win32'];
const PROCESSORS = ['arm64', 'ia32', 'x64'];
/** An addon that names its platform, such as `name.linux-x64-gnu.node`. */
const OF_PLATFORM = /\.([a-z0-9]+)-([a-z0-9]+)(?:-([a-z]+))?\.node$/;
/** Beside what its package consists of: what checks read, and the scripts of PyTorch that benchmarks compare with. */
const OF_CHECKS = ['fixtures', 'python'];

const LAUNCHER = `#!/bin/sh
here=$(dirname "$(readlink -f "$0")")
exec "$here/node" "$here/services/cli/bin/esparse.mjs" "$@"
`;

/**
 * Leaves an archive of this platform with the command, all that it needs and Node itself, laid out as the checkout is: it
 * runs where there is neither Node nor npm nor a network. The workspaces must be built.
 *
 * @param archive compressed as its name says: .tar, .tar.gz, .tar.xz
 * @param checks whether the checks and benchmarks of GPUs come with it
 */
export function packPortable(root: string, archive: string, checks: boolean): void {
  const repository = readRepository(root);
  const stage = mkdtempSync(path.join(tmpdir(), 'esparse-portable-'));
  const folder = path.join(stage, 'esparse');
  try {
    const entries = ['@esparse/cli', ...(checks ? ['@esparse/test'] : [])];
    for (const found of installedClosure(repository, entries)) {
      const relative = path.relative(root, found.folder);
      if (!repository.workspaces.has(found.name)) copyInstalled(found.folder, path.join(folder, relative));
      else layOut(repository.workspaces.get(found.name)!, root, folder);
    }
    // The checks know the root by nx.json.
    for (const file of ['LICENSE', 'package.json', ...(checks ? ['nx.json'] : [])]) {
      cpSync(path.join(root, file), path.join(folder, file));
    }
    const node = path.join(folder, 'node');
    cpSync(process.execPath, node);
    writeFileSync(path.join(folder, 'esparse'), LAUNCHER);
    chmodSync(path.join(folder, 'esparse'), 0o755);
    mkdirSync(path.dirname(archive), { recursive: true });
    const env = { ...process.env, XZ_OPT: '-T0' };
    execFileSync('tar', ['-C', stage, '-caf', archive, 'esparse'], { env });
  } finally {
    rmSync(stage, { recursive: true, force: true });
  }
}

/** A workspace, and the link by which others find it. */
function layOut({ folder, manifest }: Workspace, root: string, destination: string): void {
  const relative = path.relative(root, folder);
  const { name, files = ['dist'] } = manifest;
  const without = files
    .filter((entry) => entry.startsWith('!'))
    .map((entry) => path.join(folder, entry.slice(1)));
  for (const entry of ['package.json', ...files, ...OF_CHECKS]) {
    const from = path.join(folder, entry);
    if (entry.startsWith('!') || !existsSync(from)) continue;
    const filter = (file: string) => isRun(file) && !without.includes(file);
    cpSync(from, path.join(destination, relative, entry), { recursive: true, filter });
  }
  const link = path.join(destination, 'node_modules', name);
  mkdirSync(path.dirname(link), { recursive: true });
  symlinkSync(path.relative(path.dirname(link), path.join(destination, relative)), link);
}

/** A package as npm has installed it, without those inside it and without files for other platforms. */
function copyInstalled(from: string, to: string): void {
  cpSync(from, to, {
    recursive: true,
    filter: (file) => {
      const parts = path.relative(from, file).split(path.sep);
      if (parts[0] === 'node_modules') return false;
      const at = parts.findIndex((part) => PLATFORMS.includes(part));
      if (at >= 0 && parts[at] !== process.platform) return false;
      if (at >= 0 && PROCESSORS.includes(parts[at + 1]!) && parts[at + 1] !== process.arch) return false;
      const [, platform, processor, library] = OF_PLATFORM.exec(file) ?? [];
      if (platform !== undefined && (platform !== process.platform || processor !== process.arch))
        return false;
      // Node's own builds, one of which comes with this, are of the other C library.
      return library !== 'musl' && isRun(file);
    },
  });
}

function isRun(file: string): boolean {
  return !LEFT_OUT.test(file) || lstatSync(file).isDirectory();
}
