import { lastValueFrom, of, type OperatorFunction } from 'rxjs';
import { TestScheduler } from 'rxjs/testing';
import {
  identityOrder,
  none,
  type Metric,
  type Shuffle,
  type Stage,
  type StageInput,
} from '@esparse/sparsity';
import type { GuardOptions } from './guard.ts';
import type { MaskedLinear, ShuffledLinear } from './linear.ts';
import { score } from './score.ts';
import { shuffle } from './shuffle.ts';
import { stage } from './stage.ts';

const [ROWS, COLS] = [2, 4];
const linear: MaskedLinear & ShuffledLinear = {
  block: 3,
  name: 'q_proj',
  tap: 'in',
  rows: ROWS,
  cols: COLS,
  pattern: { keep: 2, group: 4 },
  readings: new Map(),
  dtype: 'bf16',
  weights: new Uint16Array(ROWS * COLS),
  scores: new Float32Array(ROWS * COLS),
  order: { permutation: identityOrder(COLS), keptBefore: 1, keptAfter: 2 },
  mask: Uint8Array.of(0b0011, 0b0011),
};
const through = <T>(operator: OperatorFunction<typeof linear, T>) => lastValueFrom(of(linear).pipe(operator));

// What plain JavaScript may give, whatever the types say.
const metric = (made: () => unknown): Metric => ({
  name: 'bad',
  statistics: {},
  score: made as Metric['score'],
});
const order = (made: () => unknown): Shuffle => ({ name: 'bad', order: made as Shuffle['order'] });
const step = (made: () => unknown): Stage => ({ name: 'bad', statistics: {}, run: made as Stage['run'] });
const context = { note: () => undefined, progress: () => undefined };

const scores = (...values: number[]) => Float32Array.from({ length: ROWS * COLS }, (_, i) => values[i] ?? 1);
const kept = { keptBefore: 1, keptAfter: 1 };

test.each<[string, () => unknown, string]>([
  [
    'throws',
    () => {
      throw new Error('broken');
    },
    'broken',
  ],
  ['rejects', () => Promise.reject(new Error('broken')), 'broken'],
  ['gives nothing', () => Promise.resolve(undefined), 'scores: Undefined, expected Float32Array'],
  ['gives a list', () => Promise.resolve([1, 2]), 'scores: Array, expected Float32Array'],
  [
    'gives other bits',
    () => Promise.resolve(new Float64Array(8)),
    'scores: Float64Array, expected Float32Array',
  ],
  ['gives too few', () => Promise.resolve(new Float32Array(7)), 'scores of 7 elements, expected 8'],
  ['gives NaN', () => Promise.resolve(scores(1, NaN)), 'the score of row 0, channel 1 is NaN'],
  [
    'gives infinity',
    () => Promise.resolve(scores(1, 1, 1, 1, Infinity)),
    'the score of row 1, channel 0 is Infinity',
  ],
  ['gives less than zero', () => Promise.resolve(scores(-1)), 'the score of row 0, channel 0 is -1'],
])('a metric that %s is refused by its name, block and linear', async (_what, made, message) => {
  await expect(through(score(metric(made)))).rejects.toMatchObject({
    message: expect.stringContaining(`metric bad, block 3, q_proj: ${message}`),
    context: { block: 3, linear: 'q_proj' },
  });
});

test.each<[string, () => unknown, string]>([
  [
    'names a channel twice',
    () => ({ ...kept, permutation: Int32Array.of(0, 1, 1, 3) }),
    'each of the 4 channels once',
  ],
  [
    'leaves one out',
    () => ({ ...kept, permutation: Int32Array.of(0, 1, 2) }),
    'permutation of 3 elements, expected 4',
  ],
  [
    'names one that is not there',
    () => ({ ...kept, permutation: Int32Array.of(0, 1, 2, 4) }),
    'each of the 4 channels once',
  ],
  [
    'gives no kept scores',
    () => ({ permutation: identityOrder(4) }),
    'keptBefore and keptAfter are not both finite',
  ],
  ['gives nothing', () => undefined, 'its result is undefined'],
])('a shuffle that %s is refused by its name, block and linear', async (_what, made, message) => {
  await expect(through(shuffle(order(() => Promise.resolve(made()))))).rejects.toMatchObject({
    kind: 'usage',
    message: expect.stringMatching(new RegExp(`^shuffle bad, block 3, q_proj: .*${message}`)),
  });
});

test.each<[string, unknown, string]>([
  ['weights of f32', { weights: new Float32Array(8) }, 'weights: Float32Array, expected Uint16Array'],
  [
    'infinite weights',
    { weights: Uint16Array.of(0, 0, 0, 0, 0, 0x7f80, 0, 0) },
    'row 1, channel 1 is not finite',
  ],
  [
    'a mask that keeps three',
    { mask: Uint8Array.of(0b0011, 0b0111) },
    'mask is not 2:4: row 1 keeps 3 of the positions 0 to 3',
  ],
  ['a mask that keeps one', { mask: Uint8Array.of(0b0001, 0b0011) }, 'mask is not 2:4: row 0 keeps 1'],
  ['nothing', null, 'its result is null'],
  [
    'a misspelt name',
    { wieghts: new Uint16Array(8) },
    'its result has wieghts, which is none of weights, mask',
  ],
])('a stage that gives %s is refused by its name, block and linear', async (_what, made, message) => {
  await expect(
    through(
      stage(
        step(() => Promise.resolve(made)),
        context,
      ),
    ),
  ).rejects.toMatchObject({
    message: expect.stringContaining(message),
    context: { block: 3, linear: 'q_proj' },
  });
});

test.each(['weights', 'permutation', 'mask'] as const)(
  'a plug-in that writes to the %s that it was given is refused: they are those of the steps after it',
  async (name) => {
    const borrowed = structuredClone({ weights: linear.weights, scores: linear.scores, mask: linear.mask });
    const given = { ...linear, ...borrowed, order: { ...linear.order, permutation: identityOrder(COLS) } };
    const writes = (input: StageInput) => {
      input[name][1] = 7;
      return Promise.resolve({});
    };
    const stages = stage({ name: 'bad', statistics: {}, run: writes }, context);
    await expect(lastValueFrom(of(given).pipe(stages))).rejects.toMatchObject({
      kind: 'usage',
      message: `stage bad, block 3, q_proj: it has written to the ${name} that it was given`,
      hint: `change a copy, and give that back: ${name}.slice()`,
    });
  },
);

test('metrics and shuffles write to nothing that they were given, either', async () => {
  const given = () => ({ ...linear, weights: linear.weights.slice(), scores: linear.scores.slice() });
  const writing: Metric = {
    name: 'bad',
    statistics: {},
    score: ({ weights }) => Promise.resolve(scores()).then((made) => (weights.fill(1), made)),
  };
  await expect(lastValueFrom(of(given()).pipe(score(writing)))).rejects.toThrow('written to the weights');
  const sorting: Shuffle = {
    name: 'bad',
    order: ({ scores: given }) => (
      given.fill(1),
      Promise.resolve({ ...kept, permutation: identityOrder(4) })
    ),
  };
  await expect(lastValueFrom(of(given()).pipe(shuffle(sorting)))).rejects.toThrow('written to the scores');
});

test('a result that comes without a promise is taken as it is, lists among them', async () => {
  const found = { ...kept, permutation: identityOrder(COLS) };
  await expect(through(shuffle(order(() => found)))).resolves.toMatchObject({ order: found });
  await expect(through(shuffle(order(() => [0, 1, 2, 3])))).rejects.toThrow('its result has 0');
  await expect(
    through(
      stage(
        step(() => ({})),
        context,
      ),
    ),
  ).resolves.toMatchObject({ mask: linear.mask });
});

test('an order is brought into its canonical form: ascending in each group', async () => {
  const found = { ...kept, permutation: Int32Array.of(3, 1, 0, 2) };
  const ordered = await through(shuffle(order(() => Promise.resolve(found))));
  expect(ordered.order.permutation).toEqual(Int32Array.of(0, 1, 2, 3));
});

test('the error of a user’s plug-in names the line that threw it', async () => {
  const error = await through(score(metric(() => Promise.reject(new Error('broken'))))).catch(
    (e: unknown) => e,
  );
  expect(error).toMatchObject({
    kind: 'usage',
    hint: expect.stringMatching(/at fault: it threw at .*guard\.test/),
  });
});

test('a call that never settles ends after its time, and the error names it', () => {
  new TestScheduler((actual, expected) => {
    expect(actual).toEqual(expected);
  }).run(({ cold, expectObservable }) => {
    const never = metric(() => cold('-'));
    const failed = expect.objectContaining({ message: 'metric bad, block 3, q_proj: no result after 2 s' });
    expectObservable(cold('l', { l: linear }).pipe(score(never, { timeoutMs: 2000 }))).toBe(
      '2s #',
      {},
      failed,
    );
  });
});

test('a watch sees each call begin, and end, however it ends', async () => {
  const seen: string[] = [];
  const watch: GuardOptions['watch'] = ({ plugin, where }) => {
    seen.push(`${plugin}, ${where}`);
    return () => seen.push('end');
  };
  await through(shuffle(none(), { watch }));
  await through(
    score(
      metric(() => Promise.reject(new Error())),
      { watch },
    ),
  ).catch(() => undefined);
  expect(seen).toEqual(['shuffle none, block 3, q_proj', 'end', 'metric bad, block 3, q_proj', 'end']);
});
