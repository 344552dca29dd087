import { pipelineNamed } from '@esparse/pipelines';
import { figureStatistics, operatorUnits } from '@esparse/pruner';
import { configurePipeline } from '@esparse/sparsity';
import { pipelineGraph } from '../pipeline-graph.ts';

test.each(['e-sparse', 'wanda', 'magnitude', 'e-sparse-reconstruct-tune'])(
  'every operator that %s measures is a node of its graph, and every node but taps is measured',
  (name) => {
    const pipeline = configurePipeline(pipelineNamed(name));
    const parts = [pipeline.metric, ...pipeline.stages, { statistics: figureStatistics(pipeline, {}) }];
    const readers = parts.flatMap(({ statistics }) => Object.values(statistics));
    const nodes = pipelineGraph(pipeline).nodes.map(({ id }) => id);
    const operators = [...operatorUnits(pipeline, readers).keys()];
    // Without activations nothing is run again.
    const measured = operators.filter((operator) => name !== 'magnitude' || operator !== 'advance');
    expect(measured.sort()).toEqual(nodes.sort());
  },
);
