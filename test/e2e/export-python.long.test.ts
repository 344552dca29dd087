/** What transformers makes of an export, and what PyTorch does with masks: with the libraries themselves. */
import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { esparse, esparseJson } from '../support/esparse.ts';
import { scratchFolder } from '../support/folders.ts';
import { pythonWith } from '../support/python.ts';
import { EXAMPLE_CALIBRATION, EXAMPLE_EVALUATION, EXAMPLE_MODEL, REPOSITORY } from '../support/repository.ts';

const PYTHON = pythonWith(['torch', 'transformers', 'safetensors'], 'torch==2.13.0 transformers==5.24.0');
const withPython = PYTHON === undefined ? test.skip : test;
const SEQLEN = 128;

const at = scratchFolder();
/** On one thread: several that wait for each other crawl on a busy machine. */
const ENV = { ...process.env, OMP_NUM_THREADS: '1' };
const run = async (script: string, ...args: string[]) =>
  (await promisify(execFile)(PYTHON!, [path.join(REPOSITORY, script), ...args], { env: ENV })).stdout;
const evaluate = async (...args: string[]) =>
  (await esparseJson('eval', '--text', at('text.txt'), '--seqlen', String(SEQLEN), ...args))
    .perplexity as number;
const exported = (out: string, ...args: string[]) =>
  esparseJson('export', '--store', at('store'), '--out', at(out), ...args);

beforeAll(async () => {
  if (PYTHON === undefined) return;
  await writeFile(at('text.txt'), (await readFile(EXAMPLE_EVALUATION, 'utf8')).slice(0, 4_000));
  const calibration = ['--calibration', EXAMPLE_CALIBRATION, '--samples', '8', '--seqlen', '64'];
  await esparseJson('prune', '--model', EXAMPLE_MODEL, ...calibration, '--store', at('store'));
  await exported('hf');
});

withPython('transformers loads an export, and measures the perplexity that the store has', async () => {
  const stored = await evaluate('--store', at('store'));
  for (const [out, ...args] of [['hf'], ['folded', '--fold']]) {
    if (out !== 'hf') await exported(out!, ...args);
    const found = JSON.parse(
      await run('test/python/perplexity.py', at(out!), at('text.txt'), String(SEQLEN)),
    ) as {
      readonly perplexity: number;
    };
    expect(Math.abs(found.perplexity / stored - 1)).toBeLessThan(1e-4);
  }
});

withPython('the script of docs/fine-tuning.md lowers the perplexity, and sparsity survives it', async () => {
  const before = await evaluate('--store', at('store'));
  const inspected = await esparseJson('inspect', '--store', at('store'));
  await exported('masks', '--format', 'masks');
  const folders = ['--model', at('hf'), '--masks', at('masks'), '--out', at('tuned')];
  const training = ['--text', EXAMPLE_CALIBRATION, '--steps', '8', '--learning-rate', '5e-4'];
  await run('examples/fine-tuning/fine_tune.py', ...folders, ...training);
  const report = await esparseJson('import-weights', '--store', at('store'), '--model', at('tuned'));
  expect(report).toMatchObject({ outside: 0, masksOf: inspected.run });

  expect(await evaluate('--store', at('store'))).toBeLessThan(before);
  const after = await esparseJson('inspect', '--store', at('store'));
  expect(after).toMatchObject({ run: report.run, finished: true, pattern: '2:4', totals: inspected.totals });
  await expect(esparse('verify', '--store', at('store'))).resolves.toMatchObject({ code: 0 });
  // Another import, of weights that were trained without the masks: refused, with the numbers.
  const dense = await esparse('import-weights', '--store', at('store'), '--model', EXAMPLE_MODEL);
  expect(dense).toMatchObject({ code: 2, stderr: expect.stringContaining('were pruned and are not zero') });
});
