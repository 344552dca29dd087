import { readFile, writeFile } from 'node:fs/promises';
import { esparse, esparseJson, type Outcome } from '../support/esparse.ts';
import { FAULTY_PIPELINE } from '../support/faulty-pipeline.ts';
import { contentsOf, scratchFolder } from '../support/folders.ts';
import { EXAMPLE_CALIBRATION, EXAMPLE_MODEL } from '../support/repository.ts';
import { shareWorker } from '../support/share-worker.ts';

/** Outside the repository: only esparse itself knows where @esparse/api and zod are. */
const at = scratchFolder();
shareWorker(at);

const SMALL = [
  '--model',
  EXAMPLE_MODEL,
  '--calibration',
  EXAMPLE_CALIBRATION,
  '--samples',
  '1',
  '--seqlen',
  '16',
];
const prune = (pipeline: string, store: string, ...args: string[]): Promise<Outcome> =>
  esparse('prune', ...SMALL, '--pipeline', pipeline, '--store', at(store), ...args);
/** For what never ends: anything else may take as long as a busy machine needs. */
const HASTY = ['--plugin-timeout', '5'];

beforeAll(async () => {
  await writeFile(at('faulty.ts'), FAULTY_PIPELINE);
  const outcome = await prune('magnitude', 'store');
  expect(outcome).toMatchObject({ code: 0 });
});

const currentOf = (store: string) => readFile(at(store, 'current'), 'utf8');

test('a file that was changed makes another run', async () => {
  const runOf = async () => String((await esparseJson('inspect', '--store', at('changing'))).run);
  await writeFile(at('changing.ts'), FAULTY_PIPELINE);
  await prune(at('changing.ts'), 'changing');
  const before = await runOf();
  await writeFile(at('changing.ts'), `${FAULTY_PIPELINE}// changed\n`);
  const { stdout, code } = await prune(at('changing.ts'), 'changing');
  expect(code).toBe(0);
  expect(stdout).not.toContain('finished already');
  expect(await runOf()).not.toBe(before);
});

test.each([
  ['short', /metric faulty-metric, block 1, q_proj: scores of \d+ elements, expected \d+/],
  ['nan', /metric faulty-metric, block 1, q_proj: the score of row 0, channel 0 is NaN/],
  ['order', /shuffle faulty-shuffle, block 0, q_proj: its order does not name each of the \d+ channels once/],
  ['mask', /stage faulty-stage, block 0, q_proj: its mask is not 2:4: row 0 keeps 4/],
  ['infinite', /stage faulty-stage, block 0, q_proj: the weight of row 0, channel 0 is not finite/],
  ['update', /statistic rows, block 1, tap \w+: cannot count/],
  ['read', /statistic rows, block 1, tap \w+: cannot read/],
])(
  'a plug-in that has the fault "%s" ends the run by its name, and what is current stays',
  async (fault, message) => {
    const before = await currentOf('store');
    const { code, stderr } = await prune(at('faulty.ts'), 'store', '--set', `fault=${fault}`);
    expect(stderr).toMatch(message);
    expect(code).toBe(2);
    expect(await currentOf('store')).toBe(before);
  },
);

test('a store on which plug-ins have failed is sound', async () => {
  expect(await esparse('verify', '--store', at('store'))).toMatchObject({ code: 0 });
});

test('a promise that never settles is given up, in a run and while a file loads', async () => {
  const hanging = await prune(at('faulty.ts'), 'hanging', '--set', 'fault=hangs', ...HASTY);
  expect(hanging.stderr).toMatch(/metric faulty-metric, block 1, q_proj: no result after 5 s/);
  expect(hanging.code).toBe(2);
  await writeFile(at('awaits.mjs'), 'await new Promise(() => {}); export default {};');
  const loading = await prune(at('awaits.mjs'), 'untouched', ...HASTY);
  expect(loading.stderr).toMatch(
    /pipeline .*awaits.*, loading: nothing after 5 s\n\s+a promise that never settles/,
  );
  expect(loading.code).toBe(2);
});

test('blocks that were committed before a fault stay, and the run goes on from them', async () => {
  const args = ['--set', 'fault=throws'];
  expect((await prune(at('faulty.ts'), 'resumed', ...args)).code).toBe(2);
  expect(Object.keys(await contentsOf(at('resumed')))).toContainEqual(
    expect.stringMatching(/blocks\/0\/zarr\.json$/),
  );
  // In the new process the fault comes a block later again.
  const { code, stdout } = await prune(at('faulty.ts'), 'resumed', ...args);
  expect(code).toBe(2);
  expect(stdout).toContain('going on after block 1 of 4');
});

test('an endless loop is ended from outside, and reported', async () => {
  const { code, stderr } = await prune(at('faulty.ts'), 'looping', '--set', 'fault=loops', ...HASTY);
  expect(stderr).toMatch(/metric faulty-metric, block 1, q_proj: it has held the thread for 5 s/);
  expect(code).not.toBe(0);
  const { code: again, stdout } = await prune(at('faulty.ts'), 'looping', '--set', 'fault=loops', ...HASTY);
  expect(again).not.toBe(0);
  expect(stdout).toContain('going on after block 1 of 4');
});

test.each([
  ['while it loads', 'for (;;);'],
  ['in create()', 'export default { name: "x", create() { for (;;); } };'],
])('an endless loop of a file %s is ended, too', async (what, text) => {
  const file = at(`loops-${what.replaceAll(/\W/g, '-')}.mjs`);
  await writeFile(file, text);
  const { code, stderr } = await prune(file, 'untouched', ...HASTY);
  expect(stderr).toMatch(/pipeline .*loops-.*, loading: it has held the thread for 5 s/);
  expect(code).not.toBe(0);
});

test('a plug-in that ends the process does not make the command look done', async () => {
  await writeFile(at('exits.ts'), definition('x', 'metric: (process.exit(), magnitude())'));
  const { code, stderr } = await prune(at('exits.ts'), 'untouched');
  expect([code, stderr]).toEqual([2, expect.stringContaining('ended before the command was done')]);
});

const definition = (name: string, parts = 'metric: magnitude()') =>
  `import { definePipeline, magnitude } from '@esparse/api';
export default definePipeline({ name: '${name}', summary: '', create: () => ({ ${parts} }) });`;

test.each<[string, string, RegExp]>([
  ['does not parse', 'export default {', /does not load/],
  ['throws while it loads', 'throw new Error("no luck")', /does not load: no luck\n.*at .*throws-while/],
  ['imports what is not there', 'import "./nowhere.js"', /does not load: .*nowhere/],
  [
    'exports by name only',
    'export const a = { name: "a" };',
    /is not a pipeline: it has no default export that is an object/,
  ],
  ['exports nothing', 'const a = 5;', /is not a pipeline: it has no default export that is an object/],
  ['exports a number', 'export default 5;', /is not a pipeline: it has no default export that is an object/],
  ['has no create()', 'export default { name: "x" };', /is not a pipeline: it has no create\(\)/],
  ['has a name that none may have', definition('My Pipeline'), /a pipeline is called "My Pipeline"/],
  [
    'has the name of an installed one',
    definition('wanda'),
    /calls itself wanda, which is a pipeline of esparse/,
  ],
  [
    'throws in create()',
    `import { definePipeline } from '@esparse/api';
export default definePipeline({ name: 'x', summary: '', create() { throw new TypeError('no luck'); } });`,
    /pipeline x: no luck\n\s+at .*throws-in-create.*the options of pipeline x are none/,
  ],
  [
    'makes a part with an option that it cannot have',
    definition('x', "metric: magnitude(), shuffle: best({ tries: 'many' })").replace(
      'export',
      `import { defineShuffle, z } from '@esparse/api';
const best = defineShuffle({ name: 'best', options: z.object({ tries: z.number() }), order: () => 1 });
export`,
    ),
    /pipeline x: shuffle best: tries is "many": .*\n\s+its options are tries; the options of pipeline x are none/,
  ],
  [
    'makes a part that is misspelt',
    definition('x', 'metric: magnitude(), shufle: 3'),
    /pipeline x: create\(\) gives shufle, which is none of metric, shuffle, stages, blockStages/,
  ],
  [
    'has a metric that is none',
    definition('x', 'metric: magnitude'),
    /pipeline x: its metric has no score\(\)/,
  ],
])('a file that %s is refused before anything is written', async (what, text, message) => {
  const file = at(`${what.replaceAll(/\W/g, '-')}.ts`);
  await writeFile(file, text);
  const { code, stderr } = await prune(file, 'untouched');
  expect(stderr).toMatch(message);
  expect(code).toBe(2);
  expect(await contentsOf(at('untouched')).catch(() => ({}))).toEqual({});
});

test.each([
  ['as CommonJS', 'module.exports ='],
  [
    'as CommonJS that a compiler made',
    "Object.defineProperty(exports, '__esModule', { value: true }); exports.default =",
  ],
])('a file %s is loaded, too', async (what, exported) => {
  const file = at(`${what.replaceAll(/\W/g, '-')}.cjs`);
  await writeFile(file, `${exported} { name: 'common', create: () => ({ metric: 5 }) };`);
  expect((await prune(file, 'untouched')).stderr).toContain('pipeline common: its metric has no score()');
});

test('an option that the pipeline did not declare is refused with those that it has', async () => {
  const { code, stderr } = await prune(at('faulty.ts'), 'untouched', '--set', 'falt=throws');
  expect([code, stderr]).toEqual([
    2,
    expect.stringMatching(/pipeline faulty has no option falt\n\s+its options are fault/),
  ]);
  expect((await prune(at('nowhere.ts'), 'untouched')).stderr).toMatch(/cannot be read/);
});

test('two statistics of one name are refused', async () => {
  const text = `
import { defineMetric, definePipeline, defineStatistic, channelAmplitude, readerOf } from '@esparse/api';
const mine = defineStatistic({ name: 'amplitude', create: () => ({}), update() {}, merge() {}, serialise: () => new Uint8Array(), deserialise: () => ({}) });
const metric = defineMetric({ name: 'both', statistics: { a: channelAmplitude, b: readerOf(mine, () => 1) }, score: () => Promise.reject(new Error()) });
export default definePipeline({ name: 'twice', summary: '', create: () => ({ metric: metric() }) });`;
  await writeFile(at('twice.mjs'), text);
  const { code, stderr } = await prune(at('twice.mjs'), 'untouched');
  const message = 'two statistics are called amplitude: both of pipeline twice brings the second';
  expect([code, stderr]).toEqual([2, expect.stringContaining(message)]);
  expect(await contentsOf(at('untouched')).catch(() => ({}))).toEqual({});
});
