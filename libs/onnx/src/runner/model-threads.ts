import { attentionChunk, ofKind, type BlockOp, type LinearSpec, type ModelDescription } from '@esparse/model';
import { dependsOnThreads, type ProductSizes } from '../device/thread-cuts.ts';

/** What a run has. */
interface RunSizes {
  /** Tokens of a sequence. */
  readonly seqlen: number;
  readonly sequences: number;
  /** Whether gradients are computed, too. */
  readonly gradients: boolean;
}

/** A product, of which so many are computed beside each other: they share the threads. */
type Product = ProductSizes & { readonly together: number };

/** Whether bits of a model's blocks depend on how many threads compute them, up to `threads`. @param seqlen tokens of a run */
export function blocksDependOnThreads(
  description: ModelDescription,
  seqlen: number,
  threads: number,
): boolean {
  return productsDepend(productsOf(description, { seqlen, sequences: 1, gradients: false }), threads);
}

/** The most of `threads` with which a block and its gradients have the bits of one. */
export function threadsOfGradients(
  description: ModelDescription,
  sizes: Omit<RunSizes, 'gradients'>,
  threads: number,
): number {
  const products = productsOf(description, { ...sizes, gradients: true });
  let most = threads;
  while (most > 1 && productsDepend(products, most)) most--;
  return most;
}

function productsDepend(products: readonly Product[], threads: number): boolean {
  return products.some(({ together, ...sizes }) => dependsOnThreads(sizes, Math.ceil(threads / together)));
}

function productsOf({ linears, program }: ModelDescription, run: RunSizes): readonly Product[] {
  return program.blocks.flatMap((operations, kind) => [
    ...ofKind(linears, kind).flatMap((linear) => ofLinear(linear, run)),
    ...operations.flatMap((op) => ofOperation(op, run)),
  ]);
}

/** The gradient of a matrix is not among them: its first factor is transposed, of which the same inputs are always summed at once. */
function ofLinear({ rows, cols, expert }: LinearSpec, { seqlen, sequences, gradients }: RunSizes): Product[] {
  // An expert has as many rows as tokens are sent to it: one, it may be.
  const tokens = expert === undefined ? sequences * seqlen : 1;
  const output = { rows: tokens, inner: cols, cols: rows, together: 1 };
  return gradients ? [output, { rows: tokens, inner: rows, cols, together: 1 }] : [output];
}

function ofOperation(op: BlockOp, { seqlen, sequences, gradients }: RunSizes): Product[] {
  if (op.op !== 'attention') return [];
  const { heads, kvHeads, headDim } = op;
  const chunk = attentionChunk(sequences * heads, seqlen);
  const rows = (heads / kvHeads) * chunk;
  const together = sequences * kvHeads;
  // A chunk of rows meets the keys up to its own.
  return [chunk, Math.min(rows + 1, seqlen), seqlen].flatMap((keys) => [
    { rows, inner: headDim, cols: keys, together }, // scores, and gradients of shares
    { rows, inner: keys, cols: headDim, together }, // outputs, and gradients of queries
    ...(gradients ? [{ rows: headDim, inner: rows, cols: keys, together }] : []), // of keys and values
  ]);
}
