import { EsparseError } from '@esparse/errors';
import { PIPELINES, pipelineNamed } from '@esparse/pipelines';
import type { Pipeline, PipelineSource } from '@esparse/sparsity';
import { loadPlugin, partsOf } from './load-plugin.ts';

/** A pipeline, and where it was loaded from, unless it is built in. */
export interface FoundPipeline {
  readonly pipeline: Pipeline;
  readonly source?: PipelineSource;
}

/**
 * The pipeline that `--pipeline` names: a built-in one, or the default export of a file or package.
 *
 * @throws EsparseError 'usage' where there is none of that name, it does not load, or is not a pipeline
 */
export async function findPipeline(named: string): Promise<FoundPipeline> {
  if (PIPELINES.has(named)) return { pipeline: pipelineNamed(named) };
  const kind = { kind: 'pipeline', builtIn: [...PIPELINES.keys()] };
  const { found, source } = await loadPlugin(kind, named);
  return { pipeline: checkPipeline(found, named), source };
}

/** Checks what a file exports: plain JavaScript may export anything. */
function checkPipeline(found: unknown, named: string): Pipeline {
  const refused = (why: string) =>
    new EsparseError('usage', `${named} is not a pipeline: ${why}`, {
      hint: 'export default definePipeline({ name, summary, create }): see docs/plugins.md',
    });
  const parts = partsOf(found, refused);
  if (typeof parts.create !== 'function') throw refused('it has no create()');
  if (parts.options !== undefined && !isSchema(parts.options))
    throw refused('its options are not a zod object');
  const name = String(parts.name);
  if (PIPELINES.has(name)) {
    throw new EsparseError('usage', `${named} calls itself ${name}, which is a pipeline of esparse`, {
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
