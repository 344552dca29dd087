import { PIPELINES, pipelineNamed } from './index.ts';

const OPTIONS = { alpha: 2, bins: 100, range: 'channel' } as const;

test('every pipeline is installed under its name, each with a line of its own', () => {
  expect([...PIPELINES.keys()]).toEqual(['e-sparse', 'e-sparse-reconstruct', 'ria', 'wanda', 'magnitude']);
  for (const [name, pipeline] of PIPELINES) expect(pipeline.name).toBe(name);
  expect(new Set([...PIPELINES.values()].map(({ summary }) => summary)).size).toBe(PIPELINES.size);
});

test('a pipeline reads only the statistics that its score and its stages need', () => {
  const needs = (name: string) => {
    const pipeline = pipelineNamed(name);
    return [pipeline.metric(OPTIONS), ...(pipeline.stages?.() ?? [])].flatMap(({ statistics }) =>
      Object.keys(statistics),
    );
  };
  expect(needs('e-sparse')).toEqual(['entropy', 'amplitude']);
  expect(needs('e-sparse-reconstruct')).toEqual(['entropy', 'amplitude', 'hessian']);
  expect(needs('ria')).toEqual(['amplitude']);
  expect(needs('wanda')).toEqual(['amplitude']);
  expect(needs('magnitude')).toEqual([]);
});

test('only the options that change the weights describe a pipeline', () => {
  expect(pipelineNamed('e-sparse').describe(OPTIONS)).toEqual({ alpha: 2 });
  expect(pipelineNamed('e-sparse-reconstruct').describe(OPTIONS)).toEqual({ alpha: 2 });
  expect(pipelineNamed('wanda').describe(OPTIONS)).toEqual({});
});

test('an unknown name is refused with the list of those known', () => {
  expect(() => pipelineNamed('e-sprase')).toThrow(
    expect.objectContaining({
      kind: 'usage',
      hint: 'choose one of e-sparse, e-sparse-reconstruct, ria, wanda, magnitude',
    }),
  );
});
