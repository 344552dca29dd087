import { pipelineNamed } from '@esparse/pipelines';
import { configurePipeline } from '@esparse/sparsity';
import { mermaidOf, pipelineGraph } from './pipeline-graph.ts';

const graph = pipelineGraph(configurePipeline(pipelineNamed('e-sparse-reconstruct'), { alpha: 2 }));
const before = (id: string) => graph.edges.filter(({ to }) => to === id).map(({ from }) => from);

test('each step comes after the one before and the statistics that it reads', () => {
  expect(before('metric:e-sparse')).toEqual(['load', 'statistic:entropy', 'statistic:amplitude']);
  expect(before('shuffle:both')).toEqual(['metric:e-sparse']);
  expect(before('stage:reconstruct')).toEqual(['step:mask', 'statistic:gram', 'statistic:drift']);
  expect(before('pack')).toEqual(['stage:reconstruct', 'statistic:row-sample']);
  expect(before('commit')).toEqual(['pack']);
});

test('steps are drawn with their options, and every edge is between two of them', () => {
  const drawn = mermaidOf(graph);
  expect(drawn).toMatch(/^flowchart TD\n/);
  expect(drawn).toContain('"metric e-sparse<br/>alpha 2<br/>bins 100<br/>range \'channel\'"');
  const ids = new Set(graph.nodes.map(({ id }) => id));
  for (const { from, to } of graph.edges) expect([ids.has(from), ids.has(to)]).toEqual([true, true]);
});

test('a pipeline without statistics reads no taps', () => {
  const { edges } = pipelineGraph(configurePipeline(pipelineNamed('magnitude')));
  expect(edges.filter(({ from }) => from === 'tap')).toEqual([]);
});
