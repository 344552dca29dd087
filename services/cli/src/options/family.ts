import { Option } from 'commander';
import { builtScript } from '@esparse/isolation';
import type { PluginLoader } from '@esparse/model';
import { addFamily, type FoundFamily } from '../load-family.ts';
import { LOAD_TIMEOUT_SECONDS, loadWithin } from '../load-within.ts';

export interface FamilyFlags {
  readonly family?: string | undefined;
}

/** The option of `FamilyFlags`: of every command that opens a model. */
export function familyOption(): Option {
  return new Option(
    '--family <file|package>',
    'a model family of your own: a file of TypeScript or JavaScript, or an npm package (default: none)',
  ).env('ESPARSE_FAMILY');
}

/**
 * Makes the family that the flags name known to this thread.
 *
 * @throws EsparseError 'usage' where it cannot be loaded, hangs, or is not a family
 */
export async function loadedFamily({ family: named }: FamilyFlags): Promise<FoundFamily | undefined> {
  if (named === undefined) return undefined;
  return loadWithin(1000 * LOAD_TIMEOUT_SECONDS, `model family ${named}`, () => addFamily(named));
}

/** The same for threads that this process starts: loaded here once, so that what is wrong with it is said at once. */
export async function familyLoader(flags: FamilyFlags): Promise<PluginLoader | undefined> {
  if (flags.family === undefined) return undefined;
  await loadedFamily(flags);
  return { module: builtScript(import.meta.url, '../register-family').href, named: flags.family };
}
