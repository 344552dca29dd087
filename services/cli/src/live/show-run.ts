import { messageOf } from '@esparse/errors';
import type { PruneEvent, PruneOptions } from '@esparse/pruner';
import { showLocation } from '@esparse/storage';
import { pipelineGraph } from '../pipeline-graph.ts';
import { accessTo } from './access.ts';
import { LiveRun } from './live-run.ts';
import { reportSoFar } from './report-so-far.ts';
import { startLiveServer } from './server.ts';

/** A run that is shown while this process makes it. */
export interface ShownRun {
  readonly url: string;
  emit(event: PruneEvent): void;
  /** It has ended before its end. */
  failed(error: unknown): void;
  close(): Promise<void>;
}

/** @throws EsparseError 'usage' for an address that needs a key, or that it cannot listen on */
export async function startShowing(
  { store, pipeline, ...options }: PruneOptions,
  { listen, keyFile }: { readonly listen: string; readonly keyFile: string | undefined },
): Promise<ShownRun> {
  const access = await accessTo(listen, keyFile);
  const live = new LiveRun();
  const now = () => new Date().toISOString();
  const { nodes, edges } = pipelineGraph(pipeline, undefined, options);
  live.push({ event: 'source', time: now(), source: showLocation(store), detail: 'events' });
  live.push({ event: 'graph', time: now(), nodes, edges });
  const report = reportSoFar(store, () => live.state.started?.run);
  const server = await startLiveServer({ run: live, listen, access, report });
  return {
    url: server.url,
    emit(event) {
      live.push(event);
    },
    failed(error) {
      live.push({ event: 'ended', time: now(), message: messageOf(error) });
    },
    close: () => server.close(),
  };
}
