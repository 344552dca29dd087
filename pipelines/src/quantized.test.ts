import { configurePipeline, type ConfiguredPipeline } from '@esparse/sparsity';
import { PIPELINES, pipelineNamed } from './index.ts';

const stageNames = ({ stages }: ConfiguredPipeline) => stages.map(({ name }) => name);
const needs = ({ stages }: ConfiguredPipeline) => Object.keys(stages.at(-1)!.statistics);
const UNTUNED = [...PIPELINES.keys()].filter((name) => !name.endsWith('-tune'));

test.each(UNTUNED)('%s makes integers last, and only where it is told so', (name) => {
  const [plain, int4] = [undefined, { values: 'int4' }].map((options) =>
    configurePipeline(pipelineNamed(name), options),
  ) as [ConfiguredPipeline, ConfiguredPipeline];
  expect(stageNames(int4)).toEqual([...stageNames(plain), 'quantize']);
  // A run without integers has the options that it had before there were any.
  expect(int4.options).toEqual({ ...plain.options, values: 'int4' });
  expect(int4.stages.at(-1)!.rounding).toEqual({ bits: 4, group: 32 });
});

test('errors are passed on where the pipeline has a Hessian at hand, or by option', () => {
  const of = (name: string, options = {}) =>
    needs(configurePipeline(pipelineNamed(name), { values: 'int8', ...options }));
  expect(of('sparsegpt')).toEqual(['hessian']);
  expect(of('e-sparse-reconstruct')).toEqual(['hessian']);
  expect(of('e-sparse')).toEqual([]);
  expect(of('e-sparse', { spread: true })).toEqual(['hessian']);
  expect(of('sparsegpt', { spread: false })).toEqual([]);
});

test.each(['e-sparse-tune', 'e-sparse-reconstruct-tune'])(
  '%s tunes with integers; without steps it is the pipeline that it goes on from',
  (name) => {
    const of = (options = {}) => configurePipeline(pipelineNamed(name), { values: 'int4', ...options });
    const tuned = of({ group: 16 });
    expect(stageNames(tuned)).not.toContain('quantize');
    expect(tuned.blockStages.map(({ rounding }) => rounding)).toEqual([{ bits: 4, group: 16 }]);
    expect(stageNames(of({ steps: 0 })).at(-1)).toBe('quantize');
    expect(of({ steps: 0 }).blockStages).toEqual([]);
    expect(() => of({ spread: true })).toThrow('tuning makes up for itself');
    expect(of({ steps: 0, spread: true }).stages.at(-1)!.rounding).toEqual({ bits: 4, group: 32 });
  },
);

test('how integers are made is refused where none are', () => {
  for (const name of ['wanda', 'e-sparse-tune']) {
    for (const options of [{ group: 16 }, { spread: true }]) {
      expect(() => configurePipeline(pipelineNamed(name), options)).toThrow('but none are');
    }
  }
});
