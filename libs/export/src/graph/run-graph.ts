import { EsparseError } from '@esparse/errors';
import type { GraphDescription } from '@esparse/model';
import type { Run } from '@esparse/store';
import { isGraphSource, openExportSource } from '../source.ts';
import { prunedGraph } from './pruned-graph.ts';

/**
 * The graph of a finished run, as `exportRun` would write it, in memory.
 * @throws EsparseError 'unsupported' for a run of a language model, 'store' where it is not finished
 */
export async function graphOfRun(
  run: Run,
  signal?: AbortSignal,
): Promise<{ readonly file: Uint8Array; readonly description: GraphDescription }> {
  const source = await openExportSource(run);
  if (!isGraphSource(source)) {
    throw new EsparseError('unsupported', `run ${run.fingerprint} is of a language model, and no graph`, {
      hint: '`esparse eval --text` measures language models',
    });
  }
  return { file: await prunedGraph(source, { signal }), description: source.description };
}
