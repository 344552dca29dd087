import { decodeModel, viewOf } from '@esparse/checkpoint';
import type { ChannelOrder } from '@esparse/model-store';
import type { FoldedLinear } from '../fold/fold-source.ts';
import type { GraphSource } from '../source.ts';
import { foldGraph, type TensorOrders } from './fold-graph.ts';

/** Moves the orders of a run of a graph into what makes its inputs, as far as the graph allows. */
export async function foldGraphSource(
  { graph: file, description: { graph }, tensors }: GraphSource,
  signal?: AbortSignal,
): Promise<{ readonly moved: TensorOrders; readonly linears: readonly FoldedLinear[] }> {
  const orders = new Map<string, ChannelOrder>();
  for (const { name } of graph.linears) {
    const order = await tensors.order(name, signal);
    if (order !== undefined) orders.set(name, order);
  }
  const view = viewOf(decodeModel(await file(), 'the graph').graph, graph.branches, 'the graph');
  const { fates, moved } = foldGraph(graph, view, orders);
  const linears = graph.linears.flatMap(({ name, step }): FoldedLinear[] => {
    const fate = fates.get(name);
    return fate === undefined ? [] : [{ block: step, linear: name, ...fate }];
  });
  return { moved, linears };
}
