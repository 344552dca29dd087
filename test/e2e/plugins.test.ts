import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
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

beforeAll(() => writeFile(at('faulty.ts'), FAULTY_PIPELINE));

test('a pipeline of a file, wherever it lies, prunes, and its run says so', async () => {
  expect(await prune(at('faulty.ts'), 'fine', '--set', 'fault=none')).toMatchObject({ code: 0, stderr: '' });
  const { pipeline, options } = (await esparseJson('inspect', '--store', at('fine'))) as {
    pipeline: string;
    options: { pipeline: unknown };
  };
  expect(pipeline).toBe('faulty');
  expect(options.pipeline).toMatchObject({
    options: { fault: 'none' },
    parts: { metric: { name: 'faulty-metric', version: 1 }, stages: [{ name: 'faulty-stage' }] },
    source: { sha256: expect.stringMatching(/^[0-9a-f]{64}$/) },
  });
});

test('a plug-in that throws ends the run by its name, and what was committed stays', async () => {
  const { code, stderr } = await prune(at('faulty.ts'), 'throws', '--set', 'fault=throws');
  expect(stderr).toMatch(/metric faulty-metric, block 1, q_proj: cannot score\n.*it threw at .*faulty\.ts/);
  expect(code).toBe(2);
  expect(Object.keys(await contentsOf(at('throws')))).toContainEqual(
    expect.stringMatching(/blocks\/0\/zarr\.json$/),
  );
});

const definition = (name: string, parts = 'metric: magnitude()') =>
  `import { definePipeline, magnitude } from '@esparse/api';
export default definePipeline({ name: '${name}', summary: '', create: () => ({ ${parts} }) });`;

test('a package that is installed in the current folder is a pipeline, known by its version', async () => {
  const folder = at('project', 'node_modules', 'esparse-mine');
  await mkdir(folder, { recursive: true });
  await writeFile(
    path.join(folder, 'package.json'),
    JSON.stringify({ name: 'esparse-mine', version: '1.2.3', type: 'module', exports: './index.js' }),
  );
  await writeFile(path.join(folder, 'index.js'), definition('packaged'));
  const before = process.cwd();
  process.chdir(at('project'));
  try {
    expect(await prune('esparse-mine', 'packaged')).toMatchObject({ code: 0 });
    expect((await prune('esparse-other', 'packaged')).stderr).toMatch(/there is no pipeline esparse-other/);
  } finally {
    process.chdir(before);
  }
  expect(await esparseJson('inspect', '--store', at('packaged'))).toMatchObject({
    options: { pipeline: { name: 'packaged', source: { package: 'esparse-mine@1.2.3' } } },
  });
});
