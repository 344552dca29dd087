import { Option } from 'commander';
import { builtScript } from '@esparse/isolation';
import type { PluginLoader } from '@esparse/model';
import { addEncoding, type FoundEncoding } from '../load-encoding.ts';
import { LOAD_TIMEOUT_SECONDS, loadWithin } from '../load-within.ts';

export interface EncodingFlags {
  readonly encoding?: string | undefined;
}

/** The option of `EncodingFlags`: of every command that reads weights from a store, or writes them. */
export function encodingOption(): Option {
  return new Option(
    '--encoding <file|package>',
    'an encoding of your own for what survives: a file of TypeScript or JavaScript, or an npm package (default: none)',
  ).env('ESPARSE_ENCODING');
}

/**
 * Makes the encoding that the flags name known to this thread.
 *
 * @throws EsparseError 'usage' where it cannot be loaded, hangs, or is not an encoding
 */
export async function loadedEncoding({ encoding: named }: EncodingFlags): Promise<FoundEncoding | undefined> {
  if (named === undefined) return undefined;
  return loadWithin(1000 * LOAD_TIMEOUT_SECONDS, `encoding ${named}`, () => addEncoding(named));
}

/** The same for threads that this process starts: loaded here once, so that what is wrong with it is said at once. */
export async function encodingLoader(flags: EncodingFlags): Promise<PluginLoader | undefined> {
  if (flags.encoding === undefined) return undefined;
  await loadedEncoding(flags);
  return { module: builtScript(import.meta.url, '../encoding-for-thread').href, named: flags.encoding };
}
