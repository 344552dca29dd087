import { EsparseError } from '@esparse/errors';
import { registerFamily, type ModelFamily } from '@esparse/model';
import { loadPlugin, partsOf, type LoadedPlugin } from './load-plugin.ts';

/** A model family of the user's, and where it was loaded from. */
export interface FoundFamily extends Pick<LoadedPlugin, 'source'> {
  readonly family: ModelFamily;
}

/**
 * Loads the family that `--family` names, the default export of a file or package, and makes it known to this thread.
 *
 * @throws EsparseError 'usage' where there is none of that name, it does not load, is not a family, or its name or one of its
 *   architectures is taken
 */
export async function addFamily(named: string): Promise<FoundFamily> {
  const { found, source } = await loadPlugin({ kind: 'model family', builtIn: [] }, named);
  const family = checkFamily(found, named);
  registerFamily(family);
  return { family, source };
}

/** Plain JavaScript may export anything. */
function checkFamily(found: unknown, named: string): ModelFamily {
  const refused = (why: string) =>
    new EsparseError('usage', `${named} is not a model family: ${why}`, {
      hint: 'export default defineFamily({ name, architectures, config, describe }): see docs/families.md',
    });
  const parts = partsOf(found, refused);
  if (typeof parts.describe !== 'function') throw refused('it has no describe()');
  if (!isNames(parts.architectures) || parts.architectures.length === 0)
    throw refused('it has no list of architectures');
  if (!isNames(parts.modelTypes)) throw refused('it has no list of modelTypes');
  return found as ModelFamily;
}

function isNames(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((name) => typeof name === 'string');
}
