import { requireFinished } from '@esparse/model-store';
import type { Run } from '@esparse/store';

/** What `/info` shows of a run. */
export interface RunFacts {
  /** config.json of the checkpoint. */
  readonly config: Readonly<Record<string, unknown>>;
  readonly family: string;
  /** keep:group */
  readonly pattern: string;
  readonly pipeline: string;
  /** What the model was called when it was pruned. */
  readonly name: string | undefined;
  /** Of the whole run, in bytes. */
  readonly bytes: number;
  readonly blocks: number;
}

/** @throws EsparseError 'store' for a run that is not finished, or whose attributes cannot be read */
export async function readRunFacts(run: Run): Promise<RunFacts> {
  const { config, family, options } = await requireFinished(run);
  // A finished run has one.
  const { name, bytes, blocks } = (await run.summary())!;
  return {
    config,
    family,
    pattern: `${options.pattern.keep}:${options.pattern.group}`,
    pipeline: options.pipeline.name,
    name: typeof name === 'string' ? name : undefined,
    bytes,
    blocks,
  };
}
