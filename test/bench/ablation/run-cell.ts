import { mkdtemp, rm } from 'node:fs/promises';
import path from 'node:path';
import { esparseJsonWith } from '../../support/esparse.ts';
import { cellArguments, type Cell } from './cell.ts';
import type { Figures, Result, Setting } from './results.ts';

export interface RunOptions extends Setting {
  /** Where the store of a cell stands until it is evaluated. */
  readonly scratch: string;
  /** Of the worker, and of the evaluation. @default all processors */
  readonly threads?: number | undefined;
  /** What prunes. @default the processor */
  readonly device?: string | undefined;
  /** What evaluates the stores; the checkpoint is evaluated on the processor. @default the processor */
  readonly evalDevice?: string | undefined;
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
      ...on(options.device),
    );
    return {
      ...(await evaluate(options, '--store', store, ...on(options.evalDevice))),
      keptScoreGain: report.keptScoreGain as number,
      seconds: (report.seconds as { total: number }).total,
    };
  } finally {
    await rm(store, { recursive: true, force: true });
  }
}

/** What is measured of the checkpoint itself. */
export function denseFigures(options: RunOptions): Promise<Figures> {
  return evaluate(options, '--model', options.model);
}

async function evaluate(options: RunOptions, ...source: string[]): Promise<Figures> {
  const { text, seqlen, windows, tasks, signal } = options;
  const outcome = (await esparseJsonWith(
    { signal },
    'eval',
    ...source,
    ...['--text', text, '--seqlen', String(seqlen)],
    ...(windows === undefined ? [] : ['--windows', String(windows)]),
    ...(tasks === undefined ? [] : ['--tasks', tasks]),
    ...threadsOf(options),
  )) as unknown as EvalReport;
  const { perplexity, standardError, windows: scored, seconds } = outcome;
  const accuracy = outcome.tasks?.[0]?.accNorm.value;
  return {
    ...{ perplexity, standardError, windows: scored, evalSeconds: seconds },
    ...(accuracy !== undefined && { accuracy }),
  };
}

/** What `eval --json` prints, as far as it is needed. */
interface EvalReport {
  readonly perplexity: number;
  readonly standardError: number;
  readonly windows: number;
  readonly seconds: number;
  readonly tasks?: readonly { readonly accNorm: { readonly value: number } }[];
}

function on(device: string | undefined): string[] {
  return device === undefined ? [] : ['--device', device];
}

function threadsOf({ threads }: RunOptions): string[] {
  return threads === undefined ? [] : ['--threads', String(threads)];
}
