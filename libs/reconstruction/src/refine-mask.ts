import { groupDescent } from '@esparse/kernels';
import type { MatrixProducts } from '@esparse/onnx';
import type { Pattern } from '@esparse/sparsity';
import { choiceInverse, groupChoices } from './group-choices.ts';
import type { Hessian } from './tap-matrix.ts';
import type { SurvivorsProblem } from './survivors.ts';

/** Columns whose groups descend together before the rest of the gradient follows, in one product. */
const BLOCK = 128;
/** Rows that descend together: bounds the memory to a few such matrices, and keeps the products large. */
const ROWS_AT_ONCE = 1024;

/** A linear whose mask may change. */
export interface MaskProblem extends Omit<SurvivorsProblem, 'kept' | 'hessian'> {
  /** H = Xᵀ X of the inputs, symmetric. */
  readonly hessian: Pick<Hessian, 'multiply' | 'rows'>;
  readonly pattern: Pattern;
  /** (cols): the original channel at each position; the groups are formed in this order. */
  readonly permutation: Int32Array;
}

export interface RefineOptions {
  /** Times that every group is visited. */
  readonly sweeps: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Lowers the squared error (ŵ - w) (H + λI) (ŵ - w)ᵀ - 2 s (ŵ - w)ᵀ of an N:M-sparse linear, with the shift s of
 * `solveSurvivors`, by choosing masks anew: group by group, the choice of N and its weights that are best while all other
 * groups stay (`groupDescent`).
 *
 * @param sparse - (rows, cols), in the original order: the weights to begin with, changed
 * @returns whether it ran: a pattern with more than `MAX_CHOICES` ways to keep N of M keeps its mask
 * @throws EsparseError 'numeric' where H is not positive semidefinite
 */
export async function refineMask(
  problem: MaskProblem,
  sparse: Float32Array,
  products: MatrixProducts,
  options: RefineOptions,
): Promise<boolean> {
  const choices = await choicesOf(problem);
  if (choices === undefined) return false;
  const { rows, cols, weights } = problem;
  for (let first = 0; first < rows; first += ROWS_AT_ONCE) {
    const count = Math.min(ROWS_AT_ONCE, rows - first);
    const part = (matrix: Float32Array) => matrix.subarray(first * cols, (first + count) * cols);
    const shift = problem.shift && part(problem.shift);
    const some = { ...problem, rows: count, weights: part(weights), shift };
    await refineRows(some, part(sparse), choices, products, options);
  }
  return true;
}

/** Columns that descend together. */
interface Block {
  /** The original channels, in the order of the groups. */
  readonly channels: Int32Array;
  /** (groups, choices, keep, keep): see `choiceInverse`. */
  readonly inverses: Float64Array;
}

/** What may be chosen of every group. */
interface MaskChoices {
  /** How many. */
  readonly choices: number;
  /** (choices, keep): the places in the group that each keeps. */
  readonly places: Int32Array;
  /** The columns, in the order of the groups. */
  readonly blocks: readonly Block[];
}

/** Columns that descend together: whole groups. */
export function blockWidth(group: number): number {
  return BLOCK - (BLOCK % group);
}

/** @returns undefined where there are too many, see `groupChoices` */
async function choicesOf({
  cols,
  hessian,
  damping,
  permutation,
  pattern,
}: MaskProblem): Promise<MaskChoices | undefined> {
  const choices = groupChoices(pattern);
  if (choices === undefined) return undefined;
  const places = Int32Array.from(choices.flatMap((choice) => [...choice]));
  const width = blockWidth(pattern.group);
  const blocks: Block[] = [];
  for (let first = 0; first < cols; first += width) {
    const channels = permutation.slice(first, first + width);
    const rows = await hessian.rows(channels);
    const inverses: number[] = [];
    for (let at = 0; at < channels.length; at += pattern.group) {
      const entry = (a: number, b: number) =>
        rows[(at + a) * cols + channels[at + b]!]! + (a === b ? damping : 0);
      for (const choice of choices) inverses.push(...choiceInverse(choice, entry));
    }
    blocks.push({ channels, inverses: Float64Array.from(inverses) });
  }
  return { choices: choices.length, places, blocks };
}

async function refineRows(
  { rows, cols, weights, hessian, damping, shift, pattern }: MaskProblem,
  sparse: Float32Array,
  { places, blocks }: MaskChoices,
  products: MatrixProducts,
  { sweeps, signal }: RefineOptions,
): Promise<void> {
  const difference = sparse.map((value, i) => value - weights[i]!);
  const gradient = new Float32Array(rows * cols);
  await hessian.multiply(difference, rows, gradient);
  for (let i = 0; i < gradient.length; i++) {
    gradient[i] = gradient[i]! + damping * difference[i]! - (shift?.[i] ?? 0);
  }
  const image = difference;
  for (let sweep = 0; sweep < sweeps; sweep++) {
    for (const { channels, inverses } of blocks) {
      signal?.throwIfAborted();
      const width = channels.length;
      const blockRows = await hessian.rows(channels);
      for (let i = 0; i < width; i++) {
        const diagonal = i * cols + channels[i]!;
        blockRows[diagonal] = blockRows[diagonal]! + damping;
      }
      const before = columnsOf(sparse, rows, cols, channels);
      const after = before.slice();
      await groupDescent({
        rows,
        width,
        keep: pattern.keep,
        group: pattern.group,
        places,
        inverses,
        hessian: columnsOf(blockRows, width, cols, channels),
        weights: after,
        gradient: columnsOf(gradient, rows, cols, channels),
      });
      for (let r = 0; r < rows; r++) {
        for (let i = 0; i < width; i++) sparse[r * cols + channels[i]!] = after[r * width + i]!;
      }
      const step = after.map((value, i) => value - before[i]!);
      await products.product(step, blockRows, { rows, inner: width, cols }, image);
      for (let i = 0; i < gradient.length; i++) gradient[i] = gradient[i]! + image[i]!;
    }
  }
}

/** Some columns of a matrix (rows, cols), in a given order: (rows, channels). */
function columnsOf(matrix: Float32Array, rows: number, cols: number, channels: Int32Array): Float32Array {
  const width = channels.length;
  const out = new Float32Array(rows * width);
  for (let r = 0; r < rows; r++) {
    for (let i = 0; i < width; i++) out[r * width + i] = matrix[r * cols + channels[i]!]!;
  }
  return out;
}
