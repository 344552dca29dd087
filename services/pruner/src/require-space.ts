import { EsparseError } from '@esparse/errors';
import { isGraph } from '@esparse/model';
import type { StatisticReader } from '@esparse/statistics';
import type { Store } from '@esparse/store';
import type { PruneOptions } from './options.ts';
import { keptReadings } from './plan/plan.ts';
import { blockArrayBytes, outerArrayBytes, roundingOf } from './plan/store-bytes.ts';
import type { Preparation } from './prepare.ts';
import { needsDenseStates, needsHiddenStates } from './states-needed.ts';

/** What a run has still to write, in bytes. */
export interface BytesToCome {
  /** Arrays outside the blocks; 0 where they are committed. */
  readonly outer: number;
  /** Arrays of each block, in order; 0 where it is committed. */
  readonly blocks: readonly number[];
  /** All hidden states before a block; those of a block that is done are removed once the next block's are there. */
  readonly hiddenBefore: (block: number) => number;
}

/** The most that lies in the store at once of what is to come: documents and the rounding of a file system not counted. */
export function peakBytes({ outer, blocks, hiddenBefore }: BytesToCome): number {
  let peak = outer;
  let committed = outer;
  for (const [block, bytes] of blocks.entries()) {
    if (bytes === 0) continue;
    committed += bytes;
    const next = block + 1 < blocks.length ? hiddenBefore(block + 1) : 0;
    peak = Math.max(peak, committed + hiddenBefore(block) + next);
  }
  return peak;
}

/**
 * Foresees a full disk: the arrays of what is not committed and the hidden states beside them must find room. What an
 * attempt that was cut off left is counted as free, since it is removed or written over. Where the store has no bound, as
 * in S3, nothing is asked.
 *
 * @throws EsparseError 'space' with the bytes that are needed and those that are free
 */
export async function requireSpace(
  store: Store,
  run: string,
  options: Pick<PruneOptions, 'pipeline' | 'encoding' | 'samples' | 'seqlen' | 'denseValues'>,
  { checkpoint, description, layers }: Preparation,
  readers: ReadonlySet<StatisticReader>,
): Promise<void> {
  const free = await store.objects.free();
  if (free === undefined) return;
  const found = (await store.runs()).find(({ fingerprint }) => fingerprint === run);
  // What is damaged may be there all the same, and is looked at when the run begins.
  if (found?.damage !== undefined) return;
  const before = found === undefined ? undefined : await store.openRun(run);
  const done = new Set(await before?.committedBlocks());
  const isDenseCommitted = before !== undefined && (await before.isDenseCommitted());
  const shape = {
    ...{ checkpoint, description, layers, readings: keptReadings(options.pipeline) },
    rounding: roundingOf(options.pipeline),
    encoding: options.encoding?.encoding,
    denseValues: options.denseValues,
  };
  const { blockStages } = options.pipeline;
  const models = needsDenseStates(readers, blockStages) ? 2 : 1;
  // What is inside a graph is known when it is there.
  const states = isGraph(description) ? 0 : 4 * options.samples * options.seqlen * description.hidden;
  const boundary = needsHiddenStates(readers, blockStages) ? states : 0;
  const needed = peakBytes({
    outer: isDenseCommitted ? 0 : outerArrayBytes(shape),
    blocks: Array.from({ length: description.blocks }, (_, block) =>
      done.has(block) ? 0 : blockArrayBytes(shape, block),
    ),
    // Before the first block the dense model's are the same.
    hiddenBefore: (block) => (block === 0 ? boundary : models * boundary),
  });
  const reused = (await before?.uncommittedBytes()) ?? 0;
  if (needed <= free + reused) return;
  throw new EsparseError(
    'space',
    `${store.objects.describe()} has no room for the run: ${needed - reused} bytes are needed, ${free} bytes are free`,
    { hint: 'free some space, or choose another --store; `esparse plan` shows what a run takes' },
  );
}
