import { mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { mutateBytes } from './mutate-bytes.ts';
import { mutateJson } from './mutate-json.ts';
import { mutateSafetensors } from './mutate-safetensors.ts';
import type { Random } from './random.ts';

/** What stands at a path in the place of the file that was there. */
export type Replacement = Uint8Array | 'absent' | 'folder' | { readonly link: string };

/** Files of a folder that are not what they were, by their path in it. */
export type Changes = Map<string, Replacement>;

/** A change of some files of a folder. */
export interface Mutation {
  readonly changes: Changes;
  readonly what: string;
}

/** Files beyond this size are too slow to be made JSON of. */
const MAX_JSON_BYTES = 1 << 20;
/** Where links lead: out of the folder, to the link itself, and nowhere. */
const LINKS = ['/etc/hostname', '.', '..', 'nowhere'];

/** A folder whose files are mutated and put back. */
export class MutableFolder {
  readonly folder: string;
  /** What the files hold when nothing is mutated. */
  readonly files: ReadonlyMap<string, Uint8Array>;
  readonly #paths: readonly string[];

  private constructor(folder: string, files: ReadonlyMap<string, Uint8Array>) {
    this.folder = folder;
    this.files = files;
    this.#paths = [...files.keys()];
  }

  static async open(folder: string): Promise<MutableFolder> {
    const entries = await readdir(folder, { recursive: true, withFileTypes: true });
    const paths = entries
      .filter((entry) => entry.isFile())
      .map((entry) => path.relative(folder, path.join(entry.parentPath, entry.name)))
      .sort();
    const files = new Map<string, Uint8Array>();
    for (const file of paths) files.set(file, await readFile(path.join(folder, file)));
    return new MutableFolder(folder, files);
  }

  /** Chooses one file, seldom several, and what becomes of each. */
  choose(random: Random): Mutation {
    const changes: Changes = new Map();
    const what: string[] = [];
    const count = random.chance(0.85) ? 1 : 2 + random.int(3);
    for (let i = 0; i < count; i++) {
      const file = random.pick(this.#paths);
      if (changes.has(file)) continue;
      const [replacement, how] = this.#replacement(file, random);
      changes.set(file, replacement);
      what.push(`${file}: ${how}`);
    }
    return { changes, what: what.join('; ') };
  }

  #replacement(file: string, random: Random): readonly [Replacement, string] {
    const bytes = this.files.get(file)!;
    const way = random.int(20);
    if (way === 0) return ['absent', 'gone'];
    if (way === 1) return ['folder', 'a folder'];
    if (way === 2) {
      const link = random.pick([...LINKS, path.basename(file)]);
      return [{ link }, `a link to ${link}`];
    }
    if (way === 3) {
      const other = random.pick(this.#paths);
      const content = this.files.get(other)!;
      if (Buffer.compare(content, bytes) !== 0) return [content, `what ${other} holds`];
    }
    const meant = way > 9 ? asItIsMeant(file, bytes, random) : undefined;
    return meant !== undefined && Buffer.compare(meant[0], bytes) !== 0 ? meant : mutateBytes(bytes, random);
  }

  async apply(changes: Changes): Promise<void> {
    for (const [file, replacement] of changes) {
      const location = path.join(this.folder, file);
      await rm(location, { recursive: true, force: true });
      if (replacement === 'absent') continue;
      if (replacement === 'folder') await mkdir(location);
      else if ('link' in replacement) await symlink(replacement.link, location);
      else await writeFile(location, replacement);
    }
  }

  /** Puts back what `apply` has changed. A new file: somebody may have mapped the other one. */
  async restore(changes: Changes): Promise<void> {
    for (const file of changes.keys()) {
      const location = path.join(this.folder, file);
      await rm(location, { recursive: true, force: true });
      await mkdir(path.dirname(location), { recursive: true });
      await writeFile(location, this.files.get(file)!);
    }
  }
}

/** Another JSON document, or header of tensors, where the file is one. */
function asItIsMeant(
  file: string,
  bytes: Uint8Array,
  random: Random,
): readonly [bytes: Uint8Array, what: string] | undefined {
  if (file.endsWith('.safetensors')) return mutateSafetensors(bytes, random);
  const json = bytes.length > MAX_JSON_BYTES ? undefined : mutateJson(Buffer.from(bytes).toString(), random);
  return json === undefined ? undefined : [Buffer.from(json[0]), json[1]];
}
