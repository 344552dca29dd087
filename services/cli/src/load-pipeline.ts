import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { createJiti, type Jiti } from 'jiti';
import { EsparseError, isEsparseError, messageOf, whereThrown } from '@esparse/errors';
import { PIPELINES, pipelineNamed } from '@esparse/pipelines';
import type { Pipeline, PipelineSource } from '@esparse/sparsity';

/** A pipeline, and where it was loaded from, unless it is built in. */
export interface FoundPipeline {
  readonly pipeline: Pipeline;
  readonly source?: PipelineSource;
}

/**
 * The pipeline that `--pipeline` names: a built-in one, a file of TypeScript or JavaScript, or a package that can be
 * resolved from the current folder; of a file or package the default export. Wherever it lies, it can import
 * `@esparse/api` and `zod`.
 *
 * @throws EsparseError 'usage' where there is none of that name, it does not load, or is not a pipeline
 */
export async function findPipeline(named: string): Promise<FoundPipeline> {
  if (PIPELINES.has(named)) return { pipeline: pipelineNamed(named) };
  const jiti = createJiti(pathToFileURL(path.resolve('pipeline.js')).href, {
    // A changed file must be read again.
    fsCache: false,
    moduleCache: false,
    // Otherwise a file without a default export would itself count as one.
    interopDefault: false,
    // One copy of everything: the plug-in's statistics must be those of the run.
    virtualModules: { '@esparse/api': await import('@esparse/api'), zod: await import('zod') },
  });
  const file = isFile(named) ? fileOf(named) : resolvePackage(jiti, named);
  const source = await sourceOf(file, named);
  return { pipeline: checkPipeline(await load(jiti, file, named), named), source };
}

/** A path, as opposed to a name. */
function isFile(named: string): boolean {
  return /^(\.{0,2}\/|[A-Za-z]:[\\/]|file:)/.test(named) || /\.[cm]?[jt]s$/.test(named);
}

function fileOf(named: string): string {
  return named.startsWith('file:') ? fileURLToPath(named) : path.resolve(named);
}

function resolvePackage(jiti: Jiti, named: string): string {
  try {
    const found = jiti.esmResolve(named, { conditions: ['node', 'import'] });
    return found.startsWith('file:') ? fileURLToPath(found) : found;
  } catch (error) {
    throw new EsparseError('usage', `there is no pipeline ${named}`, {
      hint: `choose one of ${[...PIPELINES.keys()].join(', ')}, a file (./${named}.ts), or a package that is installed here`,
      cause: error,
    });
  }
}

async function sourceOf(file: string, named: string): Promise<PipelineSource> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(file);
  } catch (error) {
    throw new EsparseError('usage', `the pipeline ${named} cannot be read: ${messageOf(error)}`, {
      cause: error,
    });
  }
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  return isFile(named) ? { sha256 } : { sha256, package: await packageOf(file, named) };
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

async function load(jiti: Jiti, file: string, named: string): Promise<unknown> {
  try {
    return defaultOf(await jiti.import(file));
  } catch (error) {
    throw new EsparseError('usage', `the pipeline ${named} does not load: ${messageOf(error)}`, {
      // An error of esparse itself has its own hint.
      hint: isEsparseError(error) ? error.hint : whereThrown(error),
      cause: error,
    });
  }
}

/** The default export; a module that was compiled to CommonJS has it one deeper. */
function defaultOf({ default: found }: { readonly default?: unknown }): unknown {
  const compiled = found as { readonly __esModule?: unknown; readonly default?: unknown } | undefined;
  return compiled?.__esModule === true ? compiled.default : found;
}

/** Checks what a file exports: plain JavaScript may export anything. */
function checkPipeline(found: unknown, named: string): Pipeline {
  const refused = (why: string) =>
    new EsparseError('usage', `${named} is not a pipeline: ${why}`, {
      hint: 'export default definePipeline({ name, summary, create }): see docs/plugins.md',
    });
  const parts: Readonly<Record<string, unknown>> = { ...(found as object | undefined) };
  if (typeof found !== 'object' || found === null || Object.keys(parts).length === 0)
    throw refused('it has no default export that is an object');
  if (typeof parts.name !== 'string') throw refused('it has no name');
  if (typeof parts.create !== 'function') throw refused('it has no create()');
  if (parts.options !== undefined && !isSchema(parts.options))
    throw refused('its options are not a zod object');
  if (PIPELINES.has(parts.name)) {
    throw new EsparseError('usage', `${named} calls itself ${parts.name}, which is a pipeline of esparse`, {
      hint: 'give it a name of its own: it identifies runs',
    });
  }
  const { summary = '' } = parts;
  return { ...(found as Pipeline), summary: String(summary) };
}

/** Recognised by its methods: a file may bring its own zod. */
function isSchema(value: unknown): boolean {
  const { safeParse, strict, shape } = value as Readonly<Record<string, unknown>>;
  return typeof safeParse === 'function' && typeof strict === 'function' && typeof shape === 'object';
}
