import { setTimeout } from 'node:timers/promises';
import { isEsparseError, messageOf } from '@esparse/errors';
import { describePrunable } from '@esparse/model';
import {
  inspectBlock,
  linearAttributesOf,
  readRunAttributes,
  type RunAttributes,
} from '@esparse/model-store';
import type { LiveEvent } from '@esparse/report-page';
import { formatPattern } from '@esparse/sparsity';
import type { CommittedGroup, Run, Store } from '@esparse/store';
import { storedGraph } from '../stored-graph.ts';
import type { LiveRun } from './live-run.ts';

/** How often a store is looked at: a block takes seconds at least. */
const LOOK_MS = 2_000;

/** Different troubles that are said, at most. */
const MAX_SAID = 100;

/** The run of a store to show: the one that is named, else the newest that goes on, else the current one. */
export async function chooseRun(store: Store, named: string | undefined): Promise<Run> {
  if (named !== undefined) return store.openRun(named);
  const runs = await store.runs();
  const open = runs
    .filter(({ finished, damage }) => !finished && damage === undefined)
    .sort((a, b) => (b.written?.getTime() ?? 0) - (a.written?.getTime() ?? 0));
  return store.openRun(open[0]?.fingerprint ?? (await store.current()));
}

/** What a store says of a run before any block: what it is of, and its dataflow. */
export async function storedBeginning(store: Store, run: Run): Promise<LiveEvent[]> {
  const attributes = readRunAttributes(run.attributes);
  const { options, family, blocks } = attributes;
  const { samples, seqlen } = options.calibration;
  const begun = (await store.objects.written(`runs/${run.fingerprint}/zarr.json`)) ?? new Date();
  const time = begun.toISOString();
  const name = (await run.summary())?.name;
  return [
    {
      ...{
        event: 'started',
        time,
        run: run.fingerprint,
        family,
        blocks,
        samples,
        seqlen,
        shards: 0,
        workers: [],
      },
      model: typeof name === 'string' ? name : family,
      pipeline: options.pipeline.name,
      pattern: formatPattern(options.pattern),
      shuffle: options.pipeline.parts?.shuffle.name ?? 'unknown',
    },
    { event: 'graph', time, ...storedGraph(attributes) },
  ];
}

/** Shows the blocks of a run as they are committed, until it is finished or the signal aborts. */
export async function watchBlocks(live: LiveRun, run: Run, signal: AbortSignal): Promise<void> {
  const attributes = readRunAttributes(run.attributes);
  const { started } = live.state;
  const begun = started === undefined ? undefined : new Date(started.time);
  const seen = new Set<number>();
  const said = new Set<string>();
  const unless = async (work: () => Promise<void>) => {
    try {
      await work();
    } catch (error) {
      // What is away, or damaged, is said once, and looked at again.
      if (!isEsparseError(error)) throw error;
      if (said.has(error.message) || said.size === MAX_SAID) return;
      said.add(error.message);
      live.push({ event: 'note', time: new Date().toISOString(), message: messageOf(error) });
    }
  };
  const seenEnd = { finished: false };
  while (!signal.aborted) {
    await unless(async () => {
      for (const block of await run.committedBlocks()) {
        if (seen.has(block)) continue;
        await unless(async () => {
          for (const event of await eventsOf(run, attributes, block, begun)) live.push(event);
          seen.add(block);
        });
      }
      seenEnd.finished = await run.finished();
    });
    if (seenEnd.finished) break;
    await setTimeout(LOOK_MS, undefined, { signal }).catch(() => undefined);
  }
  const { time = new Date().toISOString() } = live.state;
  if (seenEnd.finished) live.push({ event: 'finished', time, seconds: {} });
}

/** A block that is committed, as events. What it took is the time since the one before. */
async function eventsOf(
  run: Run,
  { config }: RunAttributes,
  block: number,
  begun: Date | undefined,
): Promise<LiveEvent[]> {
  const description = describePrunable(config);
  const [group, written, before] = await Promise.all([
    run.block(block),
    run.committedAt(block),
    block === 0 ? begun : run.committedAt(block - 1),
  ]);
  const time = (written ?? new Date()).toISOString();
  const seconds =
    written === undefined || before === undefined ? 0 : (written.getTime() - before.getTime()) / 1000;
  const { linears, totals } = inspectBlock(group, description, block);
  return [
    ...linears
      .filter(({ pattern }) => pattern !== undefined)
      .map(({ name, rows, cols, bytes, denseBytes, keptScoreGain = 0 }): LiveEvent => {
        const { scoreLost, outputError } = figuresOf(group, name);
        return {
          ...{
            event: 'linear',
            time,
            block: block + 1,
            linear: name,
            rows,
            cols,
            bytes,
            denseBytes,
            keptScoreGain,
          },
          ...{ scoreLost, outputError },
        };
      }),
    {
      ...{ event: 'committed', time, block: block + 1, seconds: Math.max(0, seconds) },
      bytes: totals.bytes + totals.permutationBytes,
    },
  ];
}

function figuresOf(group: CommittedGroup, name: string) {
  const { keptScore, figures, outputError } = linearAttributesOf(group, name) ?? {};
  return {
    scoreLost:
      figures === undefined || keptScore === undefined ? undefined : 1 - keptScore.after / figures.totalScore,
    outputError,
  };
}
