import { EsparseError } from '@esparse/errors';
import { addon } from '../addon.ts';
import { checkLength } from '../runtime/shuffled-matrix.ts';

/** Channels of one call of `sparseGptSweep` at most: with 64 rows they fit the processor's nearest caches. */
export const SPARSE_GPT_CHANNELS = 128;

/** Some channels of a linear, in their order. Matrices are row-major with a row a channel. */
export interface SparseGptBlock {
  readonly channels: number;
  /** Rows of the linear. */
  readonly rows: number;
  /** (channels, rows) */
  readonly weights: Float32Array;
  /** (channels, channels): the upper triangular factor U of the inverse Hessian UᵀU; its diagonal is positive. */
  readonly factor: Float32Array;
  readonly keep: number;
  readonly group: number;
}

/** What a sweep leaves behind: (channels, rows) each. */
export interface SparseGptSwept {
  /** What was pruned, over its diagonal: times the rows of U it is what later channels must make up for. */
  readonly errors: Float32Array;
  /** 1 where a weight survives, else 0. */
  readonly kept: Uint8Array;
}

/**
 * The inner loop of SparseGPT (arXiv 2301.00774, algorithm 1). At the first channel of each group, every row keeps the
 * `keep` weights of largest (w / d)², of equal ones the first; channel after channel, what a pruned weight gave is spread
 * over the channels that follow in the block. Changes `weights` in place. In f32, channels in order.
 *
 * @throws EsparseError 'usage' for more than 128 channels, or channels that the group does not divide
 */
export async function sparseGptSweep(block: SparseGptBlock): Promise<SparseGptSwept> {
  const { channels, rows, weights, factor, keep, group } = block;
  if (!(channels <= SPARSE_GPT_CHANNELS && channels % group === 0 && keep >= 1 && keep < group)) {
    throw new EsparseError('usage', `a sweep of ${channels} channels at ${keep}:${group}`);
  }
  checkLength('weights', weights.length, channels * rows);
  checkLength('factor', factor.length, channels * channels);
  const native = addon();
  if (native === null) return sparseGptSweepReference(block);
  const errors = new Float32Array(channels * rows);
  const kept = new Uint8Array(channels * rows);
  await native.sparseGptSweep({ ...block, errors, kept });
  return { errors, kept };
}

/** The readable version of `sparseGptSweep`. */
export function sparseGptSweepReference(block: SparseGptBlock): SparseGptSwept {
  const { channels, rows, weights, factor, keep, group } = block;
  const errors = new Float32Array(channels * rows);
  const kept = new Uint8Array(channels * rows);
  const part = (i: number, r: number) => Math.fround(weights[i * rows + r]! / factor[i * channels + i]!);
  for (let r = 0; r < rows; r++) {
    for (let i = 0; i < channels; i++) {
      if (i % group === 0) {
        const members = Array.from({ length: group }, (_, m) => i + m);
        const loss = members.map((member) => Math.fround(part(member, r) ** 2));
        members.sort((a, b) => loss[b - i]! - loss[a - i]! || a - b);
        for (const member of members.slice(0, keep)) kept[member * rows + r] = 1;
      }
      const stays = kept[i * rows + r] === 1;
      const error = stays ? 0 : part(i, r);
      errors[i * rows + r] = error;
      if (!stays) weights[i * rows + r] = 0;
      for (let j = i + 1; j < channels; j++) {
        const at = j * rows + r;
        weights[at] = weights[at]! - Math.fround(error * factor[i * channels + j]!);
      }
    }
  }
  return { errors, kept };
}
