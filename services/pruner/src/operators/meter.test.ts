import { configurePipeline } from '@esparse/sparsity';
import { pipelineNamed } from '@esparse/pipelines';
import { createOperatorMeter } from './meter.ts';
import { operatorOfCall, operatorUnits } from './names.ts';

function metered(...operators: string[]) {
  const clock = { ms: 0 };
  const meter = createOperatorMeter(new Map(operators.map((name) => [name, 'linears'])), () => clock.ms);
  const figures = (name: string) => meter.take()!.operators.find(({ operator }) => operator === name)!;
  return { clock, meter, figures };
}

test('shares of busy, backpressured and idle are of the time since the figures before, and sum to 1', () => {
  const { clock, meter, figures } = metered('a');
  const endHeld = meter.blocked('a');
  clock.ms = 250;
  // Working counts before being held up.
  const endBusy = meter.busy('a');
  clock.ms = 750;
  endBusy();
  endHeld();
  clock.ms = 1000;
  expect(figures('a')).toMatchObject({ busy: 0.5, backpressured: 0.25, idle: 0.25 });
  clock.ms = 2000;
  expect(figures('a')).toMatchObject({ busy: 0, backpressured: 0, idle: 1 });
});

test('work that goes on while the figures are taken is in both', () => {
  const { clock, meter, figures } = metered('a');
  const end = meter.busy('a');
  clock.ms = 100;
  expect(figures('a').busy).toBe(1);
  clock.ms = 150;
  end();
  clock.ms = 200;
  expect(figures('a').busy).toBe(0.5);
});

test('work that overlaps counts once, and an end that is called twice ends once', () => {
  const { clock, meter, figures } = metered('a');
  const [one, two] = [meter.busy('a'), meter.busy('a')];
  clock.ms = 50;
  one();
  one();
  clock.ms = 100;
  expect(figures('a').busy).toBe(1);
  two();
  clock.ms = 200;
  expect(figures('a').busy).toBe(0);
});

test('what is done sums up, its rate is of the time since, and a queue is never negative', () => {
  const { clock, meter, figures } = metered('a');
  meter.done('a', 30);
  meter.queue('a', 2);
  meter.queue('a', -5);
  meter.queue('a', 1);
  clock.ms = 2000;
  expect(figures('a')).toMatchObject({ done: 30, rate: 15, queue: 1 });
  clock.ms = 3000;
  expect(figures('a')).toMatchObject({ done: 30, rate: 0 });
});

test('figures of no time are none, and an operator that is not measured is no error', () => {
  const { meter } = metered('a');
  meter.busy('b')();
  meter.done('b', 1);
  expect(meter.take()).toBeUndefined();
});

test('a call of a plug-in is of the operator that the pipeline has', () => {
  const pipeline = configurePipeline(pipelineNamed('e-sparse-reconstruct-tune'));
  const units = operatorUnits(pipeline, Object.values(pipeline.metric.statistics));
  const calls = [
    'metric e-sparse',
    'shuffle both',
    'stage reconstruct',
    'block stage tune',
    'statistic entropy',
  ];
  for (const plugin of calls) expect(units.has(operatorOfCall({ plugin })!)).toBe(true);
  expect(operatorOfCall({ plugin: 'its weights' })).toBeUndefined();
});
