import { describePrunable } from '@esparse/model';
import { readRunAttributes } from '@esparse/model-store';
import type { BlockData, FrontierPoint, ReportData, Roofline } from '@esparse/report-page';
import type { Run } from '@esparse/store';
import { Attachment } from './attachment.ts';
import { detailOf } from './detail.ts';
import { Excerpts } from './excerpts.ts';
import { factsOf } from './facts.ts';
import { importanceOf } from './importance.ts';
import { missingOf } from './missing.ts';
import type { PruneLog } from './prune-log.ts';
import { readBlock, unlessDamaged } from './read-block.ts';
import { summaryOf } from './summary.ts';

/** What a report shows beside what is in the store. */
export interface ReportOptions {
  /** The version of esparse. */
  readonly version: string;
  /** Where the store is, as it is shown. */
  readonly store: string;
  /** Linears whose masks are shown whole, by `blocks.<k>.<linear>`. @default what fits */
  readonly wholeMasks?: ((linear: string) => boolean) | undefined;
  /** What `esparse prune --json` printed of this run. @default none */
  readonly log?: PruneLog | undefined;
  /** This run, and others that it is compared with. @default none */
  readonly frontier?: readonly FrontierPoint[];
  readonly roofline?: Roofline | undefined;
  /** What was read of the same run before, with the same masks: only blocks that are new are read. @default nothing */
  readonly memory?: ReportMemory | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Called after each block. */
  readonly onProgress?: (blocks: number, of: number) => void;
}

/** Keeps what was read of a run that goes on: a committed block never changes. */
export class ReportMemory {
  readonly attachment = new Attachment();
  readonly excerpts = new Excerpts();
  readonly known = new Map<number, BlockData>();
  readonly damage: string[] = [];
}

/** What the page shows of a run. */
export interface Report {
  readonly data: ReportData;
  /** What its `Numbers` point to. */
  readonly attachment: Uint8Array;
  /** What is damaged and therefore left out, in sentences. */
  readonly damage: readonly string[];
}

/**
 * Gathers what the page shows of a run, finished or not: manifests, indices, orders and statistics of its blocks, one
 * block after the other. Weights are not read. What is damaged is left out, and said.
 *
 * @throws EsparseError 'store' where the run does not say what it is of
 */
export async function gatherReport(run: Run, options: ReportOptions): Promise<Report> {
  const { signal, onProgress, wholeMasks, frontier = [], roofline } = options;
  const attributes = readRunAttributes(run.attributes);
  const description = describePrunable(attributes.config);
  const committed = new Set(await run.committedBlocks());
  const memory = options.memory ?? new ReportMemory();
  const { attachment, excerpts, known } = memory;
  const importance = importanceOf(attributes.options.pipeline);
  const detail = detailOf(description, wholeMasks);
  const { damage } = memory;
  const onDamage = (what: string) => damage.push(what);
  const blocks: BlockData[] = [];
  for (let block = 0; block < description.blocks; block++) {
    signal?.throwIfAborted();
    if (committed.has(block) && !known.has(block))
      known.set(
        block,
        await readBlock(
          { run, description, attachment, excerpts, importance, detail, signal, onDamage },
          block,
        ),
      );
    blocks.push(known.get(block) ?? { block, state: 'not committed', linears: [], taps: [] });
    onProgress?.(block + 1, description.blocks);
  }
  const texts = await unlessDamaged(onDamage, () => excerpts.read(run, signal));
  const summary = await run.summary();
  const title = typeof summary?.name === 'string' ? summary.name : description.family;
  const gathered = { attributes, description, blocks, importance, detail, damage, title };
  return {
    data: {
      esparse: options.version,
      title,
      summary: summaryOf(gathered, frontier),
      facts: factsOf(run, gathered, options, summary?.bytes),
      missing: missingOf(gathered, options),
      blocks,
      importance,
      frontier,
      ...(texts && { excerpts: texts }),
      ...(roofline && { roofline }),
    },
    attachment: attachment.bytes(),
    damage,
  };
}
