import { attentionChunk, ofKind, type BlockOp, type LinearSpec, type ModelDescription } from '@esparse/model';
import { threadsAlike, type ProductSizes } from '../device/thread-cuts.ts';

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

/** Up to how many threads give a model's blocks the bits of one; Infinity where they change nothing. */
export function threadsOfBlocks(description: ModelDescription, seqlen: number): number {
  return threadsOf(description, { seqlen, sequences: 1, gradients: false });
}

/** The same of a block and its gradients. */
export function threadsOfGradients(
  description: ModelDescription,
  sizes: Omit<RunSizes, 'gradients'>,
): number {
  return threadsOf(description, { ...sizes, gradients: true });
}

function threadsOf(description: ModelDescription, run: RunSizes): number {
  const products = productsOf(description, run);
  return Math.min(...products.map(({ together, ...sizes }) => together * threadsAlike(sizes)));
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
