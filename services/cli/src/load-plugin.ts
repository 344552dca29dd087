import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { Jiti } from 'jiti';
import { EsparseError, isEsparseError, messageOf, whereThrown } from '@esparse/errors';
import type { PipelineSource } from '@esparse/sparsity';

/** What can be loaded. */
export interface PluginKind {
  /** What it is called in messages, such as 'pipeline'. */
  readonly kind: string;
  /** Names of those that come with esparse, for the hint where there is no such package. */
  readonly builtIn: readonly string[];
}

/** The default export of a file or package, and where it was loaded from. */
export interface LoadedPlugin {
  readonly found: unknown;
  readonly source: PipelineSource;
}

/**
 * Loads a file of TypeScript or JavaScript, or a package that can be resolved from the current folder. Both find
 * `@esparse/api` and `zod` wherever they lie.
 *
 * @throws EsparseError 'usage' where there is none of that name, or it does not load
 */
export async function loadPlugin(kind: PluginKind, named: string): Promise<LoadedPlugin> {
  // What loads plug-ins is itself loaded where there is one: it would double the start of a command that has none.
  const { createJiti } = await import('jiti');
  const jiti = createJiti(pathToFileURL(path.resolve('plugin.js')).href, {
    // A changed file must be read again.
    fsCache: false,
    moduleCache: false,
    // Otherwise a file without a default export would itself count as one.
    interopDefault: false,
    // One copy of everything: the plug-in's statistics must be those of the run.
    virtualModules: { '@esparse/api': await import('@esparse/api'), zod: await import('zod') },
  });
  const file = isFile(named) ? fileOf(named) : resolvePackage(jiti, kind, named);
  const bytes = await readPlugin(kind, file, named);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  const source = isFile(named) ? { sha256 } : { sha256, package: await packageOf(file, named) };
  return { found: await load(jiti, kind, { file, text: bytes.toString('utf8') }, named), source };
}

/** The parts of a default export. @throws EsparseError 'usage' where it is no object, or has no name */
export function partsOf(
  found: unknown,
  refused: (why: string) => EsparseError,
): Readonly<Record<string, unknown>> {
  const parts: Readonly<Record<string, unknown>> = { ...(found as object | undefined) };
  if (typeof found !== 'object' || found === null || Object.keys(parts).length === 0)
    throw refused('it has no default export that is an object');
  if (typeof parts.name !== 'string') throw refused('it has no name');
  return parts;
}

/** A path, as opposed to a name. */
function isFile(named: string): boolean {
  return /^(\.{0,2}\/|[A-Za-z]:[\\/]|file:)/.test(named) || /\.[cm]?[jt]s$/.test(named);
}

function fileOf(named: string): string {
  return named.startsWith('file:') ? fileURLToPath(named) : path.resolve(named);
}

function resolvePackage(jiti: Jiti, { kind, builtIn }: PluginKind, named: string): string {
  try {
    const found = jiti.esmResolve(named, { conditions: ['node', 'import'] });
    return found.startsWith('file:') ? fileURLToPath(found) : found;
  } catch (error) {
    throw new EsparseError('usage', `there is no ${kind} ${named}`, {
      hint: `choose ${builtIn.length > 0 ? `one of ${builtIn.join(', ')}, ` : ''}a file (./${named}.ts), or a package that is installed here`,
      cause: error,
    });
  }
}

async function readPlugin({ kind }: PluginKind, file: string, named: string): Promise<Buffer> {
  try {
    return await readFile(file);
  } catch (error) {
    throw new EsparseError('usage', `the ${kind} ${named} cannot be read: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

/** Name and version of the package that a file belongs to. */
async function packageOf(file: string, named: string): Promise<string> {
  for (let folder = path.dirname(file); folder !== path.dirname(folder); folder = path.dirname(folder)) {
    try {
      const text = await readFile(path.join(folder, 'package.json'), 'utf8');
      const { name, version } = JSON.parse(text) as { readonly name?: unknown; readonly version?: unknown };
      if (typeof name === 'string') return `${name}@${typeof version === 'string' ? version : '0.0.0'}`;
    } catch {
      // Further up.
    }
  }
  return named;
}

async function load(
  jiti: Jiti,
  { kind }: PluginKind,
  { file, text }: { readonly file: string; readonly text: string },
  named: string,
): Promise<unknown> {
  try {
    // Always translated: Node itself would give JavaScript another copy of `@esparse/api` wherever one is installed.
    const options = { filename: file, async: true, forceTranspile: true };
    return defaultOf(await jiti.evalModule(text, options));
  } catch (error) {
    throw new EsparseError('usage', `the ${kind} ${named} does not load: ${messageOf(error)}`, {
      // An error of esparse itself has its own hint.
      hint: isEsparseError(error) ? error.hint : whereThrown(error),
      cause: error,
    });
  }
}

/** The default export; of CommonJS all that it exports, unless a compiler made it of a module. */
function defaultOf(loaded: unknown): unknown {
  const { __esModule: isModule, default: found } = Object(loaded) as Readonly<Record<string, unknown>>;
  if (isModule === true) return found;
  return Object.keys(Object(loaded) as object).length === 0 ? undefined : loaded;
}
