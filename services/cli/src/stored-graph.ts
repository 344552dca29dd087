import type { RunAttributes } from '@esparse/model-store';
import type { GraphNode, PipelineGraph } from './pipeline-graph.ts';

/** The dataflow of a run by what its store says of it: parts by their names; which statistics they read is not kept. */
export function storedGraph({ options }: RunAttributes): Pick<PipelineGraph, 'nodes' | 'edges'> {
  const { parts } = options.pipeline;
  const step = (id: string, label: string): GraphNode => ({ id, kind: 'step', label });
  const nodes: GraphNode[] = [
    { id: 'tap', kind: 'tap', label: 'activations of each tap' },
    step('load', 'load weights'),
  ];
  const edges: { from: string; to: string }[] = [];
  const chain = [
    ...(parts === undefined
      ? []
      : [
          step(`metric:${parts.metric.name}`, `metric ${parts.metric.name}`),
          step(`shuffle:${parts.shuffle.name}`, `shuffle ${parts.shuffle.name}`),
        ]),
    step('step:mask', 'mask'),
    ...(parts?.stages ?? []).map(({ name }) => step(`stage:${name}`, `stage ${name}`)),
    step('pack', 'pack'),
    ...(parts?.blockStages ?? []).map(({ name }) => step(`block-stage:${name}`, `block stage ${name}`)),
    step('commit', 'commit block'),
    step('advance', 'run the pruned block'),
  ];
  let before = ['tap', 'load'];
  for (const node of chain) {
    nodes.push(node);
    edges.push(...before.map((from) => ({ from, to: node.id })));
    before = [node.id];
  }
  return { nodes, edges };
}
