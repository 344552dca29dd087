import { PIPELINES, pipelineNamed } from './index.ts';

test('e-sparse, wanda and magnitude are installed, each with a line of its own', () => {
  expect([...PIPELINES.keys()]).toEqual(['e-sparse', 'wanda', 'magnitude']);
  expect(new Set([...PIPELINES.values()].map(({ summary }) => summary)).size).toBe(3);
});

test('a pipeline reads only the statistics that its score needs', () => {
  const needs = (name: string) => [...pipelineNamed(name).metric({ alpha: 1 }).statistics].sort();
  expect(needs('e-sparse')).toEqual(['amplitude', 'entropy']);
  expect(needs('wanda')).toEqual(['amplitude']);
  expect(needs('magnitude')).toEqual([]);
});

test('only the options that change the weights describe a pipeline', () => {
  expect(pipelineNamed('e-sparse').describe({ alpha: 2 })).toEqual({ alpha: 2 });
  expect(pipelineNamed('wanda').describe({ alpha: 2 })).toEqual({});
});

test('an unknown name is refused with the list of those known', () => {
  expect(() => pipelineNamed('e-sprase')).toThrow(
    expect.objectContaining({ kind: 'usage', hint: 'choose one of e-sparse, wanda, magnitude' }),
  );
});
