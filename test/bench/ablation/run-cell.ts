import { mkdtemp, rm } from 'node:fs/promises';
import path from 'node:path';
import { esparseJsonWith } from '../../support/esparse.ts';
import { cellArguments, type Cell } from './cell.ts';
import type { Result, Setting } from './results.ts';

export interface RunOptions extends Setting {
  /** Where the store of a cell stands until it is evaluated. */
  readonly scratch: string;
  /** Of the worker, and of the evaluation. @default all processors */
  readonly threads?: number | undefined;
  readonly signal: AbortSignal;
}

/** Prunes into a store of its own, which goes once it is evaluated: cells may run at once, and the disk holds few. */
export async function runCell(cell: Cell, options: RunOptions): Promise<Result> {
  const { model, calibration, seqlen, scratch, signal } = options;
  const store = await mkdtemp(path.join(scratch, 'cell-'));
  try {
    const report = await esparseJsonWith(
      { signal },
      'prune',
      '--model',
      model,
      '--calibration',
      calibration,
      '--seqlen',
      String(seqlen),
      '--store',
      store,
      ...cellArguments(cell),
      ...threadsOf(options),
    );
    const { perplexity, seconds } = await evaluate(options, '--store', store);
    return {
      perplexity,
      keptScoreGain: report.keptScoreGain as number,
      seconds: (report.seconds as { total: number }).total,
      evalSeconds: seconds,
    };
  } finally {
    await rm(store, { recursive: true, force: true });
  }
}

/** The perplexity of the checkpoint itself. */
export async function densePerplexity(options: RunOptions): Promise<number> {
  return (await evaluate(options, '--model', options.model)).perplexity;
}

async function evaluate(options: RunOptions, ...source: string[]) {
  const { text, seqlen, signal } = options;
  const common = ['--text', text, '--seqlen', String(seqlen), ...threadsOf(options)];
  const outcome = await esparseJsonWith({ signal }, 'eval', ...source, ...common);
  return outcome as unknown as { perplexity: number; seconds: number };
}

function threadsOf({ threads }: RunOptions): string[] {
  return threads === undefined ? [] : ['--threads', String(threads)];
}
