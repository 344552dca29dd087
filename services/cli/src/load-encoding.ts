import { EsparseError } from '@esparse/errors';
import {
  defineEncoding,
  registerEncoding,
  type EncodingDefinition,
  type OwnEncoding,
} from '@esparse/sparsity';
import { loadPlugin, partsOf, type LoadedPlugin } from './load-plugin.ts';

/** An encoding of the user's, and where it was loaded from. */
export interface FoundEncoding extends Pick<LoadedPlugin, 'source'> {
  readonly encoding: OwnEncoding;
}

/**
 * Loads the encoding that `--encoding` names, the default export of a file or package, and makes it known to this thread.
 *
 * @throws EsparseError 'usage' where there is none of that name, it does not load, or is not an encoding
 */
export async function addEncoding(named: string): Promise<FoundEncoding> {
  const { found, source } = await loadPlugin({ kind: 'encoding', builtIn: [] }, named);
  const encoding = checkEncoding(found, named);
  registerEncoding(encoding);
  return { encoding, source };
}

/** Plain JavaScript may export anything. */
function checkEncoding(found: unknown, named: string): OwnEncoding {
  const refused = (why: string) =>
    new EsparseError('usage', `${named} is not an encoding: ${why}`, {
      hint: 'export default defineEncoding({ name, values, arrays, encode, decode }): see docs/plugins.md',
    });
  const parts = partsOf(found, refused);
  for (const method of ['arrays', 'encode', 'decode']) {
    if (typeof parts[method] !== 'function') throw refused(`it has no ${method}()`);
  }
  return defineEncoding(found as EncodingDefinition);
}
