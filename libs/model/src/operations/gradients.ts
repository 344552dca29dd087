import type { GraphWriter } from './operation.ts';

/** (channels): the sum of the rows of a matrix; of the heads too where each row has several, (rows x heads x channels). */
export function sumOfRows(graph: GraphWriter, value: string, axes: readonly number[] = [0]): string {
  return graph.node('ReduceSum', [value, graph.integers(axes)], { keepdims: 0 });
}

/** (… x 1): the mean of the last dimension. */
export function meanOfChannels(graph: GraphWriter, value: string): string {
  return graph.node('ReduceMean', [value, graph.integers([-1])], { keepdims: 1 });
}

/** `1 - value`, element by element. */
export function complement(graph: GraphWriter, value: string): string {
  return graph.node('Sub', [graph.constant(1), value]);
}
