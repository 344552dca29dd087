import type { AnyModel } from '@esparse/model';
import type { RunAttributes } from '@esparse/model-store';
import type { BlockData, ChannelImportance, LinearData } from '@esparse/report-page';
import type { Detail } from './detail.ts';

/** What was read of a run. */
export interface Gathered {
  readonly attributes: RunAttributes;
  readonly description: AnyModel;
  readonly blocks: readonly BlockData[];
  readonly importance: ChannelImportance;
  readonly detail: Detail;
  readonly damage: readonly string[];
  readonly title: string;
}

/** A linear, and the block that it is of. */
export interface PlacedLinear {
  readonly block: number;
  readonly linear: LinearData;
}

/** Those that are pruned. */
export function prunedLinears(blocks: readonly BlockData[]): PlacedLinear[] {
  return blocks.flatMap(({ block, linears }) =>
    linears.filter(({ pattern }) => pattern !== undefined).map((linear) => ({ block, linear })),
  );
}

/** The relative growth of its kept score that the shuffle brought; undefined where there was no score. */
export function gainOf({ keptScore }: LinearData): number | undefined {
  if (keptScore === undefined || !(keptScore.before > 0)) return undefined;
  return keptScore.after / keptScore.before - 1;
}

/** Sums over all linears of the blocks that are there. */
export function sizesOf(blocks: readonly BlockData[]) {
  const linears = blocks.flatMap((block) => block.linears);
  const sum = (of: (linear: LinearData) => number) =>
    linears.reduce((total, linear) => total + of(linear), 0);
  return {
    weights: sum(({ rows, cols }) => rows * cols),
    bytes: sum(({ bytes }) => bytes),
    permutationBytes: sum(({ permutationBytes }) => permutationBytes),
  };
}

/** Bits of a weight of the linears, indices and orders counted; undefined where there is none. */
export function bitsPerWeight(blocks: readonly BlockData[]): number | undefined {
  const { weights, bytes, permutationBytes } = sizesOf(blocks);
  return weights === 0 ? undefined : (8 * (bytes + permutationBytes)) / weights;
}
