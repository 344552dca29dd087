import { linearsOf, type LinearSpec, type PrunableModel } from '@esparse/model';
import { encodingOf, formatPattern, PERMUTATION } from '@esparse/sparsity';
import type { CommittedGroup, Run } from '@esparse/store';
import { z } from 'zod';
import { linearAttributesOf, type LinearAttributes } from './linears.ts';
import { densePath } from './paths.ts';

/** What a store knows of one linear, from its block's manifest: no weights are read. */
export interface LinearInspection {
  readonly name: string;
  /** keep:group; absent where the linear was left dense. */
  readonly pattern?: string;
  /** What the weights are stored as: bf16, f16, int8, int4, int3 or what a plug-in calls them; absent where they are as in the checkpoint. */
  readonly values?: string;
  readonly rows: number;
  readonly cols: number;
  /** Values, indices and scales, or the dense matrix where it was left dense. */
  readonly bytes: number;
  readonly permutationBytes: number;
  /** The same linear as a 16-bit dense matrix. */
  readonly denseBytes: number;
  /** Relative growth of the kept score that the shuffle brought. */
  readonly keptScoreGain?: number;
  /** The kept score in the original order of channels, and in the shuffled one. */
  readonly keptScore?: NonNullable<LinearAttributes['keptScore']>;
}

export interface BlockInspection {
  readonly block: number;
  readonly committed: boolean;
  /** Empty where the block is not committed. */
  readonly linears: readonly LinearInspection[];
  /** Sums over its linears. */
  readonly totals: LinearTotals;
  /** Experts that saw too few tokens, and were pruned by the statistics of all. @default none */
  readonly starvedExperts?: readonly StarvedExpert[];
  /** What block stages have found, in their order. @default none */
  readonly stages?: readonly StageInspection[];
}

const starved = z.array(z.object({ expert: z.number(), tokens: z.number() }));

const found = z.array(z.object({ stage: z.string() }).catchall(z.union([z.number(), z.string()])));

/** What a block stage has found: numbers and words beside its name. */
export type StageInspection = z.infer<typeof found>[number];

/** An expert, and the tokens that were routed to it. */
export type StarvedExpert = z.infer<typeof starved>[number];

/** Sums over linears. */
export interface LinearTotals {
  readonly bytes: number;
  readonly permutationBytes: number;
  readonly denseBytes: number;
  /** Mean over the pruned linears of the relative growth of the kept score; 0 where there are none. */
  readonly keptScoreGain: number;
}

/** Every block of a run, committed or not. */
export async function inspectBlocks(run: Run, description: PrunableModel): Promise<BlockInspection[]> {
  const committed = new Set(await run.committedBlocks());
  const blocks: BlockInspection[] = [];
  for (let block = 0; block < description.blocks; block++) {
    if (!committed.has(block)) {
      blocks.push({ block, committed: false, linears: [], totals: sumsOf([]) });
      continue;
    }
    blocks.push(inspectBlock(await run.block(block), description, block));
  }
  return blocks;
}

/** One committed block. */
export function inspectBlock(
  group: CommittedGroup,
  description: PrunableModel,
  block: number,
): BlockInspection {
  const linears = linearsOf(description, block).map((linear) => inspectLinear(group, linear, block));
  const { data: starvedExperts } = starved.safeParse(group.attributes.starvedExperts);
  const { data: stages } = found.safeParse(group.attributes.stages);
  const totals = sumsOf(linears);
  return {
    ...{ block, committed: true, linears, totals },
    ...(starvedExperts && { starvedExperts }),
    ...(stages && { stages }),
  };
}

export function totalsOf(blocks: readonly BlockInspection[]): LinearTotals {
  return sumsOf(blocks.flatMap((block) => block.linears));
}

function sumsOf(linears: readonly LinearInspection[]): LinearTotals {
  const sum = (of: (linear: LinearInspection) => number) =>
    linears.reduce((total, linear) => total + of(linear), 0);
  const pruned = linears.filter(({ pattern }) => pattern !== undefined).length;
  return {
    bytes: sum(({ bytes }) => bytes),
    permutationBytes: sum(({ permutationBytes }) => permutationBytes),
    denseBytes: sum(({ denseBytes }) => denseBytes),
    keptScoreGain: pruned === 0 ? 0 : sum(({ keptScoreGain }) => keptScoreGain ?? 0) / pruned,
  };
}

function inspectLinear(
  group: CommittedGroup,
  { name, rows, cols, weight }: LinearSpec,
  block: number,
): LinearInspection {
  const denseBytes = rows * cols * 2;
  const attributes = linearAttributesOf(group, name);
  if (attributes === undefined) return inspectDense(group, densePath(weight(block)), { name, rows, cols });
  const { bytes, permutationBytes } = bytesOf(group, name, attributes);
  const { before, after } = attributes.keptScore ?? { before: 1, after: 1 };
  return {
    name,
    pattern: formatPattern(attributes),
    values: valuesOf(attributes),
    rows,
    cols,
    bytes,
    permutationBytes,
    denseBytes,
    keptScoreGain: relativeGain(before, after),
    keptScore: { before, after },
  };
}

/** A linear of which nothing is pruned, as it was or quantized. */
function inspectDense(
  group: CommittedGroup,
  path: string,
  linear: Pick<LinearSpec, 'name' | 'rows' | 'cols'>,
): LinearInspection {
  const denseBytes = linear.rows * linear.cols * 2;
  const attributes = linearAttributesOf(group, path);
  if (attributes === undefined) {
    const bytes = group.arrays.get(path)?.bytes ?? denseBytes;
    return { ...linear, bytes, permutationBytes: 0, denseBytes };
  }
  return { ...linear, values: valuesOf(attributes), ...bytesOf(group, path, attributes), denseBytes };
}

/** What the weights of a linear are stored as: bf16, f16, int8, int4, int3 or what a plug-in calls them. */
function valuesOf(attributes: LinearAttributes): string {
  return encodingOf(attributes).values(attributes);
}

/** Bytes of a linear's arrays: of its order, and of all others. */
function bytesOf(group: CommittedGroup, path: string, attributes: LinearAttributes) {
  const sizes = Object.keys(encodingOf(attributes).arrays(attributes)).map(
    (array) => [array, group.arrays.get(`${path}/${array}`)?.bytes ?? 0] as const,
  );
  const sum = (isMeant: (array: string) => boolean) =>
    sizes.reduce((total, [array, bytes]) => total + (isMeant(array) ? bytes : 0), 0);
  return {
    bytes: sum((array) => array !== PERMUTATION),
    permutationBytes: sum((array) => array === PERMUTATION),
  };
}

/** How much larger `after` is than `before`, as a share of it. */
export function relativeGain(before: number, after: number): number {
  return before === 0 ? 0 : after / before - 1;
}
