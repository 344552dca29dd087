import { execFile } from 'node:child_process';
import { copyFile, cp, mkdir, readFile, symlink } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { blockStageLaws, metricLaws, stageLaws, statisticLaws, syntheticTiles } from '@esparse/testing';
import { amplitudePower } from '../../examples/plugins/amplitude-power.ts';
import { coarseWeights } from '../../examples/plugins/coarse-weights.ts';
import { halfWay } from '../../examples/plugins/half-way.ts';
import { channelKurtosis, moments, tailed } from '../../examples/plugins/kurtosis.ts';
import { esparseJson, esparseJsonWith } from '../support/esparse.ts';
import { contentsOf, scratchFolder } from '../support/folders.ts';
import { EXAMPLE_CALIBRATION, EXAMPLE_EVALUATION, EXAMPLE_MODEL, REPOSITORY } from '../support/repository.ts';
import { shareWorker } from '../support/share-worker.ts';

const at = scratchFolder();
shareWorker(at);
const example = (name: string) => path.join(REPOSITORY, 'examples/plugins', name);

const pruning = (...args: string[]) => [
  ...['prune', '--model', EXAMPLE_MODEL, '--calibration', EXAMPLE_CALIBRATION, '--store', at('store')],
  ...['--samples', '4', '--seqlen', '64', ...args],
];
const prune = (pipeline: string, ...args: string[]) =>
  esparseJson(...pruning('--pipeline', pipeline, ...args));

/** What a run keeps of the weights: values and indices of every linear. */
async function keptBy({ run }: Record<string, unknown>): Promise<Record<string, string>> {
  const files = Object.entries(await contentsOf(at('store', 'runs', String(run), 'blocks')));
  return Object.fromEntries(files.filter(([file]) => /\/(values|indices)\/c\//.test(file)));
}

const perplexityOf = async ({ run }: Record<string, unknown>) => {
  const args = ['--store', at('store'), '--run', String(run), '--text', EXAMPLE_EVALUATION];
  return (await esparseJson('eval', ...args, '--seqlen', '64', '--windows', '100')).perplexity as number;
};

const inspected = ({ run }: Record<string, unknown>) =>
  esparseJson('inspect', '--store', at('store'), '--run', String(run));

let wanda: Record<string, unknown>;
beforeAll(async () => {
  wanda = await prune('wanda');
});

test('a metric: power 0 is magnitude pruning, 1 is Wanda, and the default is neither', async () => {
  await metricLaws(amplitudePower());
  const of = (...args: string[]) => prune(example('amplitude-power.ts'), ...args);
  expect(await keptBy(await of('--set', 'power=0'))).toEqual(await keptBy(await prune('magnitude')));
  expect(await keptBy(await of('--set', 'power=1'))).toEqual(await keptBy(wanda));
  const run = await of();
  expect(await keptBy(run)).not.toEqual(await keptBy(wanda));
  expect(await inspected(run)).toMatchObject({ pipeline: 'amplitude-power', finished: true });
});

test('a statistic with its merge: exact in any order, 3 for normal activations, and it moves the mask', async () => {
  await statisticLaws(moments);
  await metricLaws(tailed());
  const state = moments.create(8, {});
  for (const tile of syntheticTiles({ channels: 8, seqlen: 4000 })) await moments.update(state, tile);
  for (const value of await channelKurtosis.read(state, { sequences: 4 })) {
    expect(Math.abs(value - 3)).toBeLessThan(0.3);
  }

  const of = (power: number) => prune(example('kurtosis.ts'), '--set', `power=${power}`);
  expect(await keptBy(await of(0))).toEqual(await keptBy(wanda));
  const run = await of(0.25);
  expect(await keptBy(run)).not.toEqual(await keptBy(wanda));
  expect(await inspected(run)).toMatchObject({ pipeline: 'tailed' });
});

test('a stage that changes weights: all bits of a bf16 are Wanda, and without any the model is worse', async () => {
  await stageLaws(coarseWeights({ bits: 2 }));
  const of = (bits: number) => prune(example('coarse-weights.ts'), '--set', `bits=${bits}`);
  expect(await keptBy(await of(7))).toEqual(await keptBy(wanda));
  expect(await perplexityOf(await of(0))).toBeGreaterThan(1.02 * (await perplexityOf(wanda)));
});

test('a block stage goes a part of the way: none of it is Wanda, and all of it is nearer to the dense model', async () => {
  await blockStageLaws(halfWay({ share: 0.5 }));
  const of = (share: number) => prune(example('half-way.ts'), '--set', `share=${share}`, '--set', 'steps=4');
  expect(await keptBy(await of(0))).toEqual(await keptBy(wanda));
  const tuned = await of(1);
  expect(await perplexityOf(tuned)).toBeLessThan(await perplexityOf(wanda));
  expect(await inspected(tuned)).toMatchObject({
    blocks: Array(4).fill({ stages: [{ stage: 'half-way', steps: 4 }] }),
  });
});

test('a pipeline in plain JavaScript runs from a folder of its own, outside the repository, and inside, where another `@esparse/api` is found', async () => {
  await mkdir(at('elsewhere'));
  await copyFile(example('plain-javascript/pipeline.js'), at('elsewhere', 'pipeline.js'));
  const run = await esparseJsonWith({ cwd: at('elsewhere') }, ...pruning('--pipeline', './pipeline.js'));
  expect(run.keptScoreGain).not.toBe(0);
  expect(await keptBy(run)).not.toEqual(await keptBy(wanda));
  expect(await inspected(run)).toMatchObject({ pipeline: 'deal', finished: true });
  expect(await prune(example('plain-javascript/pipeline.js'))).toMatchObject({ run: run.run });
});

test('what the tutorial shows of its files stands in them', async () => {
  const tutorial = await readFile(path.join(REPOSITORY, 'docs/tutorial-plugins.md'), 'utf8');
  const files = ['steady.ts', 'steady.test.ts'].map((name) => readFile(example(`steady/${name}`), 'utf8'));
  const code = (await Promise.all(files)).join('\n');
  const [finished, imported] = [withoutComments(code), importedBy(code)];
  const snippets = [...tutorial.matchAll(/^```ts\n([^]*?)^```/gm)].map(([, code]) => code!);
  expect(snippets.length).toBeGreaterThan(4);
  // The first is a beginning that is replaced.
  for (const snippet of snippets.slice(1)) {
    // A step imports what it needs itself.
    expect(finished).toContain(withoutComments(snippet.replaceAll(IMPORT, '')));
    for (const name of importedBy(snippet)) expect(imported).toContain(name);
  }
});

const IMPORT = /^import [^]*? from '[^']+';$/gm;

/** What a file imports, each as `name of package`. */
function importedBy(code: string): string[] {
  return [...code.matchAll(/^import (?:type )?\{?([^}]*?)\}? from '([^']+)';$/gm)].flatMap(
    ([, names, from]) =>
      names!.split(',').flatMap((name) => (name.trim() === '' ? [] : [`${name.trim()} of ${from!}`])),
  );
}

/** Its words, without comments that stand on lines of their own. */
function withoutComments(code: string): string {
  return code
    .replaceAll(/\/\*\*[^]*?\*\//g, '')
    .split(/\s+/)
    .join(' ')
    .trim();
}

test('the package of the tutorial: it compiles, its own tests pass, and it is found by its name', async () => {
  const folder = at('consumer', 'node_modules', 'esparse-steady');
  await cp(example('steady'), folder, { recursive: true });
  await symlink(path.join(REPOSITORY, 'node_modules'), path.join(folder, 'node_modules'));
  const run = promisify(execFile);
  const tsc = path.join(REPOSITORY, 'node_modules/typescript/bin/tsc');
  await run(process.execPath, [tsc, '-p', 'tsconfig.build.json'], { cwd: folder });
  const { stdout } = await run(process.execPath, ['--test', 'dist/steady.test.js'], {
    cwd: folder,
    // Jest's own setting would be taken for one of this run.
    env: { PATH: process.env.PATH },
  });
  expect(stdout).toMatch(/pass 5\n.*fail 0/);

  const pruned = await esparseJsonWith(
    { cwd: at('consumer') },
    ...pruning('--pipeline', 'esparse-steady', '--set', 'tries=5'),
  );
  expect(pruned.keptScoreGain).toBeGreaterThan(0);
  expect(await inspected(pruned)).toMatchObject({ pipeline: 'steady' });
});
