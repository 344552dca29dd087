import type { GraphWriter } from './operation.ts';

/** The softmax of scores, (… x rows x keys), where a sink of each head, (… x 1 x 1), takes part. */
export function attentionSoftmax(graph: GraphWriter, scores: string, sinks: string | undefined): string {
  if (sinks === undefined) return graph.node('Softmax', [scores], { axis: -1 });
  const axis = graph.integers([-1]);
  const largest = graph.node('Max', [graph.node('ReduceMax', [scores, axis], { keepdims: 1 }), sinks]);
  const powers = graph.node('Exp', [graph.node('Sub', [scores, largest])]);
  const sum = graph.node('ReduceSum', [powers, axis], { keepdims: 1 });
  const all = graph.node('Add', [sum, graph.node('Exp', [graph.node('Sub', [sinks, largest])])]);
  return graph.node('Div', [powers, all]);
}
