import type { NodeMessage } from './messages.ts';
import { readsOf, type GraphView } from './view.ts';

/** Nodes `from .. to - 1` of a view: they run together. */
export interface Cut {
  readonly from: number;
  readonly to: number;
}

/** The values at the boundary before a node: what the nodes before it, or the data, give and nodes from there on read. */
export function valuesBefore({ nodes, inputs, fixed }: GraphView, node: number): string[] {
  const given = new Set(inputs.map(({ name }) => name));
  for (const before of nodes.slice(0, node)) {
    if (!fixed.has(before)) for (const name of before.output) given.add(name);
  }
  const read = new Set(nodes.slice(node).flatMap(readsOf));
  return [...given].filter((name) => read.has(name)).sort();
}

/**
 * The nodes among those of a cut, and among those that compute from constants alone, that give these values, in order.
 * Whatever else they read is at the boundary before the cut, or constant.
 */
export function nodesFor(
  { nodes, fixed }: GraphView,
  { from, to }: Cut,
  values: Iterable<string>,
): NodeMessage[] {
  const wanted = new Set(values);
  const needed: NodeMessage[] = [];
  for (let i = nodes.length - 1; i >= 0; i--) {
    const node = nodes[i]!;
    if ((i < from || i >= to) && !fixed.has(node)) continue;
    if (!node.output.some((name) => wanted.has(name))) continue;
    needed.push(node);
    for (const name of readsOf(node)) wanted.add(name);
  }
  return needed.reverse();
}
