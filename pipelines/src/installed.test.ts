import { configurePipeline } from '@esparse/sparsity';
import { PIPELINES, pipelineNamed } from './index.ts';

test('every pipeline is installed under its name, each with a line of its own', () => {
  expect([...PIPELINES.keys()]).toEqual([
    'e-sparse',
    'e-sparse-reconstruct',
    'e-sparse-tune',
    'e-sparse-reconstruct-tune',
    'ria',
    'ria-lsa',
    'wanda',
    'wanda-lsa',
    'sparsegpt',
    'magnitude',
  ]);
  for (const [name, pipeline] of PIPELINES) expect(pipeline.name).toBe(name);
  expect(new Set([...PIPELINES.values()].map(({ summary }) => summary)).size).toBe(PIPELINES.size);
});

test('a pipeline reads only the statistics that its score and its stages need', () => {
  const needs = (name: string) => {
    const { metric, stages } = configurePipeline(pipelineNamed(name));
    return [metric, ...stages].flatMap(({ statistics }) => Object.keys(statistics));
  };
  expect(needs('e-sparse')).toEqual(['entropy', 'amplitude']);
  expect(needs('e-sparse-reconstruct')).toEqual(['entropy', 'amplitude', 'hessian', 'drift']);
  expect(needs('sparsegpt')).toEqual(['amplitude', 'hessian']);
  expect(needs('ria')).toEqual(['amplitude']);
  expect(needs('wanda')).toEqual(['amplitude']);
  expect(needs('magnitude')).toEqual([]);
});

test('options have the defaults of the papers, and take the shuffle by name', () => {
  const entropy = { alpha: 1, bins: 100, range: 'channel' };
  expect(configurePipeline(pipelineNamed('e-sparse')).options).toEqual({ ...entropy, shuffle: 'both' });
  expect(configurePipeline(pipelineNamed('e-sparse-reconstruct')).options).toMatchObject({
    ...entropy,
    shuffle: 'both',
  });
  expect(configurePipeline(pipelineNamed('wanda')).options).toEqual({ shuffle: 'none' });
  expect(configurePipeline(pipelineNamed('wanda-lsa')).shuffle.name).toBe('lsa');
  const { shuffle, options } = configurePipeline(pipelineNamed('magnitude'), { shuffle: 'global' });
  expect([shuffle.name, options]).toEqual(['global', { shuffle: 'global' }]);
});

test('what a pipeline sets, its metric gets', () => {
  const { metric } = configurePipeline(pipelineNamed('e-sparse'), { alpha: 3, range: 'tap' });
  expect(metric.options).toEqual({ alpha: 3, bins: 100, range: 'tap' });
});

test('tuning comes behind the old pipelines, and without steps they are what is left', () => {
  const parts = (name: string, options?: object) => {
    const { metric, shuffle, stages, blockStages } = configurePipeline(pipelineNamed(name), { ...options });
    const described = ({ name: part, options: given }: { name: string; options?: object }) => [part, given];
    return { before: [metric, shuffle, ...stages].map(described), block: blockStages.map(described) };
  };
  const tuning = { steps: 300, learningRate: 1e-3, batch: 16, dense: 0.5, heldOut: 0.1, loss: 'absolute' };
  for (const old of ['e-sparse', 'e-sparse-reconstruct']) {
    expect(parts(`${old}-tune`)).toEqual({ ...parts(old), block: [['tune', tuning]] });
    expect(parts(`${old}-tune`, { steps: 0 })).toEqual(parts(old));
  }
  const other = { dense: 0.25, solverSteps: 5, steps: 7, samples: 9 };
  const { before, block } = parts('e-sparse-reconstruct-tune', other);
  expect(before.at(-1)).toEqual(['reconstruct', expect.objectContaining({ dense: 0.25, steps: 5 })]);
  expect(block).toEqual([['tune', { ...tuning, dense: 0.25, steps: 7, samples: 9 }]]);
});

test('tuning says which hidden states it takes', () => {
  const states = (options: object) =>
    configurePipeline(pipelineNamed('e-sparse-tune'), { ...options }).blockStages.map(
      (stage) => stage.states,
    );
  expect([states({}), states({ dense: 0 }), states({ steps: 0 })]).toEqual([['both'], ['pruned'], []]);
});

test('an unknown name is refused with the list of those known', () => {
  expect(() => pipelineNamed('e-sprase')).toThrow(
    expect.objectContaining({
      kind: 'usage',
      hint: expect.stringMatching(/^choose one of e-sparse, .*, magnitude$/),
    }),
  );
});
