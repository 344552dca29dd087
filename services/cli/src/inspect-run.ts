import { describePrunable, isGraph } from '@esparse/model';
import {
  inspectBlocks,
  readRunAttributes,
  totalsOf,
  type BlockInspection,
  type LinearTotals,
  type RunAttributes,
} from '@esparse/model-store';
import { formatPattern } from '@esparse/sparsity';
import type { Run } from '@esparse/store';

/** What a run says of itself and of its blocks. */
export interface RunInspection {
  readonly run: string;
  readonly finished: boolean;
  readonly model: string;
  readonly pipeline: string;
  readonly pattern: string;
  readonly shuffle: string | undefined;
  readonly options: RunAttributes['options'];
  readonly numerics: string;
  readonly blocks: readonly BlockInspection[];
  readonly totals: LinearTotals;
}

/** Reads what a run says of itself and of its blocks: manifests only, no weights. */
export async function inspectRun(run: Run): Promise<RunInspection> {
  const { config, options, family, numerics } = readRunAttributes(run.attributes);
  const description = describePrunable(config);
  const blocks = await inspectBlocks(run, description);
  return {
    run: run.fingerprint,
    finished: await run.finished(),
    model: isGraph(description)
      ? `${family}, ${description.blocks} steps`
      : `${family}, ${description.blocks} blocks of ${description.hidden}`,
    pipeline: options.pipeline.name,
    pattern: formatPattern(options.pattern),
    shuffle: options.pipeline.parts?.shuffle.name,
    options,
    numerics,
    blocks,
    totals: totalsOf(blocks),
  };
}
