import { kindOf, linearsOf, producersOf, type LinearSpec } from '@esparse/model';
import type { ChannelOrder, RunTensors } from '@esparse/model-store';
import { identityOrder } from '@esparse/sparsity';
import type { ExportSource } from '../source.ts';
import { permuted, type MatrixOrders } from './permuted.ts';
import { throughAttention, withinHeads } from './within-heads.ts';

/** What became of a pruned linear: its groups are consecutive in the export, or it lies in the original order. */
export interface FoldedLinear {
  readonly block: number;
  readonly linear: string;
  /**
   * 'folded': the linears before it have their outputs in its order. 'contiguous': its groups are consecutive as they are.
   * 'residual': its input is the residual stream, which all blocks share. 'heads': its groups span heads of attention, or
   * differ between heads that share their values. Of a graph, 'kernel': its groups span positions of a kernel; 'parts':
   * they cross parts that lie one behind the other, as the inputs of a Concat do; 'fixed': something else makes or reads its
   * input that cannot be put in that order, or is in another one.
   */
  readonly order: 'folded' | 'contiguous' | 'residual' | 'heads' | 'kernel' | 'parts' | 'fixed';
  /** Of a graph: the node, the value or the other linear at which the order stops. @default nowhere in particular */
  readonly at?: string;
}

/** A run whose orders are moved into the linears before, where that is exact. */
export interface FoldedSource {
  readonly source: ExportSource;
  /** Every pruned linear. */
  readonly linears: readonly FoldedLinear[];
}

/**
 * Moves the order of a linear's inputs into the rows of the linears that make them: the model computes the same, sums in
 * another order, and the groups of N:M are consecutive in memory, as kernels for 2:4 want them.
 */
export async function foldSource(source: ExportSource, signal?: AbortSignal): Promise<FoldedSource> {
  const { description, tensors } = source;
  const orders = new Map<string, MatrixOrders>();
  const linears: FoldedLinear[] = [];
  for (let block = 0; block < description.blocks; block++) {
    for (const linear of linearsOf(description, block)) {
      const order = await tensors.order(linear.weight(block), signal);
      if (order === undefined) continue;
      const fold = isContiguous(order) ? 'contiguous' : foldOf(source, linear, block, order);
      linears.push({ block, linear: linear.name, order: typeof fold === 'string' ? fold : 'folded' });
      if (typeof fold === 'string') continue;
      extend(orders, linear.weight(block), { cols: fold.inputs });
      for (const producer of fold.producers) {
        extend(orders, producer.weight(block), { rows: fold.outputs });
        if (producer.bias !== undefined) extend(orders, producer.bias(block), { rows: fold.outputs });
      }
    }
  }
  return { source: { ...source, tensors: inOrders(tensors, orders) }, linears };
}

/** How a linear can be folded. */
interface Fold {
  /** The original channel at each place of its input. */
  readonly inputs: Int32Array;
  /** The original output at each place of those that make its input. */
  readonly outputs: Int32Array;
  readonly producers: readonly LinearSpec[];
}

function foldOf(
  { description }: ExportSource,
  linear: LinearSpec,
  block: number,
  order: ChannelOrder,
): Fold | 'residual' | 'heads' {
  const program = description.program.blocks[kindOf(description.program, block)]!;
  const found = producersOf(program, linear);
  if (found === undefined) return 'residual';
  const producers = description.linears.filter(({ name }) => found.linears.includes(name));
  if (found.heads === undefined) {
    return { inputs: order.permutation, outputs: order.permutation, producers };
  }
  const outputs = withinHeads(order, found.heads);
  if (outputs === undefined) return 'heads';
  return { inputs: throughAttention(outputs, found.heads), outputs, producers };
}

/** Whether every group is a run of consecutive channels that begins at a multiple of its length, as it is. */
function isContiguous({ permutation, pattern: { group } }: ChannelOrder): boolean {
  for (let first = 0; first < permutation.length; first += group) {
    const channels = permutation.slice(first, first + group).sort();
    if (channels[0]! % group !== 0 || channels.at(-1)! - channels[0]! !== group - 1) return false;
  }
  return true;
}

function extend(orders: Map<string, MatrixOrders>, name: string, more: MatrixOrders): void {
  orders.set(name, { ...orders.get(name), ...more });
}

/** Tensors in other orders, each put into its own as it is read. */
function inOrders(tensors: RunTensors, orders: ReadonlyMap<string, MatrixOrders>): RunTensors {
  const inOrder = async (name: string, bytes: Uint8Array) => {
    const own = orders.get(name);
    if (own === undefined) return bytes;
    const { shape } = await tensors.info(name);
    const size = [shape[0]!, shape[1] ?? 1] as const;
    return permuted(bytes, size, bytes.byteLength / (size[0] * size[1]), own);
  };
  return {
    info: (name) => tensors.info(name),
    read: async (name, signal) => inOrder(name, await tensors.read(name, signal)),
    async mask(name, signal) {
      const mask = await tensors.mask(name, signal);
      return mask && inOrder(name, mask);
    },
    async order(name, signal) {
      const order = await tensors.order(name, signal);
      if (order === undefined || orders.get(name)?.cols === undefined) return order;
      return { ...order, permutation: identityOrder(order.permutation.length) };
    },
  };
}
