import { EsparseError } from '@esparse/errors';
import type { Run } from '@esparse/store';
import { readRunAttributes, type RunAttributes } from './run-attributes.ts';

/**
 * The attributes of a run whose model is whole: every block is committed, and the run was brought to its end.
 *
 * @throws EsparseError 'store' naming the first block that is missing
 */
export async function requireFinished(run: Run): Promise<RunAttributes> {
  const attributes = readRunAttributes(run.attributes);
  const committed = new Set(await run.committedBlocks());
  let missing = 0;
  while (missing < attributes.blocks && committed.has(missing)) missing++;
  const isWhole = missing === attributes.blocks;
  if (isWhole && (await run.finished())) return attributes;
  const what = isWhole ? 'it was not brought to its end' : `block ${missing} is missing`;
  throw new EsparseError('store', `run ${run.fingerprint} is not finished: ${what}`, {
    hint: 'finish it with the same `esparse prune` command, or name another with --run',
    context: { run: run.fingerprint, ...(!isWhole && { block: missing }) },
  });
}
