import {
  composedOrder,
  followOrder,
  graphFacts,
  inputAxis,
  inputOf,
  type GraphLinear,
  type GraphParts,
  type GraphView,
  type StoppedOrder,
} from '@esparse/checkpoint';
import type { ChannelOrder } from '@esparse/model-store';

/** What became of a pruned matrix of a graph. */
export interface GraphFate {
  readonly order:
    /** What makes its input has its outputs in its order. */
    | 'folded'
    /** Its groups are consecutive as they are. */
    | 'contiguous'
    /** Its groups cross positions of the kernel. */
    | 'kernel'
    /** Its groups cross parts that lie one behind the other at a node, as the inputs of a Concat do. */
    | 'parts'
    /** Something else makes or reads its input that has no order of channels to move, or has another one already. */
    | 'fixed';
  /** Where the order stops: a node with its operator, another matrix, or a value of the graph. @default nowhere in particular */
  readonly at?: string;
}

/** An order of the elements of tensors along one of their axes: by tensor and axis, the original place at each place. */
export type TensorOrders = ReadonlyMap<number, ReadonlyMap<number, Int32Array>>;

/**
 * Moves the orders of inputs into what makes these, as `followOrder` finds it: back to the matrices whose outputs they are.
 * Whatever else reads one of the values on the way has its own inputs put in that order. A graph whose branches are looked
 * into is left as it is.
 */
export function foldGraph(
  parts: GraphParts,
  view: GraphView,
  orders: ReadonlyMap<string, ChannelOrder>,
): { readonly fates: ReadonlyMap<string, GraphFate>; readonly moved: TensorOrders } {
  const facts = graphFacts(view);
  const moved = new Map<number, Map<number, Int32Array>>();
  const fates = new Map<string, GraphFate>();
  /** Matrices whose groups are consecutive, by the axes of their inputs: these are not moved again. */
  const settled = new Map<string, string>();
  /** Whose order the other axes are in. */
  const movers = new Map<string, string>();
  const settle = (linear: GraphLinear, fate: GraphFate) => {
    const { tensor, axis } = inputAxis(facts, parts, linear);
    fates.set(linear.name, fate);
    settled.set(`${tensor}:${axis}`, linear.name);
  };
  for (const linear of parts.linears) {
    const order = orders.get(linear.name);
    // What is in order as it is stays so.
    if (order !== undefined && isContiguous(order)) settle(linear, { order: 'contiguous' });
  }
  // Of those that read one value the largest has its way.
  const bySize = parts.linears.toSorted((a, b) => b.rows * b.cols - a.rows * a.cols);
  for (const linear of bySize) {
    const order = orders.get(linear.name);
    if (order === undefined || fates.has(linear.name)) continue;
    const found = foldOf(linear, order.permutation);
    if ('order' in found) {
      fates.set(linear.name, found);
      continue;
    }
    settle(linear, { order: 'folded' });
    for (const [tensor, axes] of found.moves) {
      moved.set(tensor, new Map([...(moved.get(tensor) ?? []), ...axes]));
      for (const axis of axes.keys()) movers.set(`${tensor}:${axis}`, linear.name);
    }
  }
  return { fates, moved };

  /** What a fold would change, those before it counted; or why there is none. */
  function foldOf(
    linear: GraphLinear,
    permutation: Int32Array,
  ): GraphFate | { readonly moves: TensorOrders } {
    const input = inputOf(parts, linear);
    const channels = linear.inner ?? linear.cols;
    const order = channelOrder(permutation, channels);
    if (order === undefined) return { order: 'kernel' };
    if (input === undefined || Object.keys(parts.branches).length > 0) return { order: 'fixed' };
    const followed = followOrder(facts, { ...input, order });
    if ('why' in followed)
      return { order: followed.why === 'crosses' ? 'parts' : 'fixed', at: placeOf(followed) };
    const own = inputAxis(facts, parts, linear);
    if (!followed.axes.some(({ tensor, axis }) => tensor === own.tensor && axis === own.axis))
      return { order: 'fixed' };
    const moves = new Map<number, Map<number, Int32Array>>();
    for (const { tensor, axis, order: wanted } of followed.axes) {
      const before = moved.get(tensor)?.get(axis);
      const both = before === undefined ? wanted : composedOrder(before, wanted);
      const key = `${tensor}:${axis}`;
      const other = settled.get(key) ?? (both === undefined ? movers.get(key) : undefined);
      if (both === undefined || other !== undefined) {
        return { order: 'fixed', ...(other !== undefined && { at: other }) };
      }
      moves.set(tensor, (moves.get(tensor) ?? new Map<number, Int32Array>()).set(axis, both));
    }
    return { moves };
  }
}

function placeOf({ at, operator, why }: StoppedOrder): string {
  return why === 'input' || why === 'output' ? `${at} (${why} of the graph)` : `${at} (${operator})`;
}

/** The order of the channels, where it is the same at each position of a kernel, and no channel leaves its position. */
function channelOrder(permutation: Int32Array, channels: number): Int32Array | undefined {
  const first = permutation.slice(0, channels);
  const isSame = permutation.every((from, at) => from === first[at % channels]! + at - (at % channels));
  return isSame && first.every((from) => from < channels) ? first : undefined;
}

function isContiguous({ permutation, pattern: { group } }: ChannelOrder): boolean {
  return permutation.every((from, at) => Math.floor(from / group) === Math.floor(at / group));
}

/** Puts the elements of a tensor in another order along its axes. */
export function inOrder<Elements extends Float32Array | Uint16Array>(
  elements: Elements,
  shape: readonly number[],
  axes: ReadonlyMap<number, Int32Array>,
): Elements {
  let now = elements;
  for (const [axis, order] of axes) {
    const inner = shape.slice(axis + 1).reduce((product, size) => product * size, 1);
    const size = shape[axis]!;
    const next = new (elements.constructor as new (length: number) => Elements)(now.length);
    for (let outer = 0; outer < now.length; outer += size * inner) {
      order.forEach((from, to) => {
        next.set(now.subarray(outer + from * inner, outer + (from + 1) * inner), outer + to * inner);
      });
    }
    now = next;
  }
  return now;
}
