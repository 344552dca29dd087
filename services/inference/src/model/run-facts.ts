import { EsparseError } from '@esparse/errors';
import type { Run } from '@esparse/store';
import { z } from 'zod';

/** What the server tells of a run, from the run's own attributes. */
const attributesSchema = z.looseObject({
  config: z.record(z.string(), z.unknown()),
  family: z.string().optional(),
  options: z
    .looseObject({
      pattern: z.looseObject({ keep: z.int(), group: z.int() }).optional(),
      pipeline: z.looseObject({ name: z.string() }).optional(),
    })
    .optional(),
});

export interface RunFacts {
  /** config.json of the checkpoint. */
  readonly config: Readonly<Record<string, unknown>>;
  readonly family: string | undefined;
  /** keep:group */
  readonly pattern: string | undefined;
  readonly pipeline: string | undefined;
  /** What the model was called when it was pruned. */
  readonly name: string | undefined;
  /** Of the whole run, in bytes. */
  readonly bytes: number;
  readonly blocks: number;
}

/** @throws EsparseError 'store' for a run that is not finished, or whose attributes cannot be read */
export async function readRunFacts(run: Run): Promise<RunFacts> {
  const summary = await run.summary();
  if (summary === undefined) {
    throw new EsparseError(
      'store',
      `run ${run.fingerprint} is not finished: it has no weights for every block`,
      {
        hint: 'finish it with the same `esparse prune` command, or name another with --run',
      },
    );
  }
  const parsed = attributesSchema.safeParse(run.attributes);
  if (!parsed.success) {
    throw new EsparseError('store', `the attributes of run ${run.fingerprint} cannot be used`, {
      hint: 'the store may be of a newer esparse, or damaged: try `esparse verify`',
      cause: parsed.error,
    });
  }
  const { config, family, options } = parsed.data;
  const pattern = options?.pattern;
  return {
    config,
    family,
    pattern: pattern && `${pattern.keep}:${pattern.group}`,
    pipeline: options?.pipeline?.name,
    name: typeof summary.name === 'string' ? summary.name : undefined,
    bytes: summary.bytes,
    blocks: summary.blocks,
  };
}
