/** gpt-oss as it is published, with its experts in blocks of MXFP4: from the checkpoint to what is made of it. */
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { esparse, esparseJson, esparseUntil } from '../support/esparse.ts';
import { scratchFolder } from '../support/folders.ts';
import { GPT_OSS, writeGptOss } from '../support/gpt-oss-model.ts';
import { pythonWith } from '../support/python.ts';
import { EXAMPLE_CALIBRATION, EXAMPLE_EVALUATION, REPOSITORY } from '../support/repository.ts';

const PYTHON = pythonWith(['torch', 'transformers', 'safetensors'], 'torch==2.13.0 transformers==5.24.0');
const withPython = PYTHON === undefined ? test.skip : test;
const SEQLEN = 32;

const at = scratchFolder();
const evaluate = async (...args: string[]) =>
  Number(
    (await esparseJson('eval', '--text', at('text.txt'), '--seqlen', String(SEQLEN), ...args)).perplexity,
  );

beforeAll(async () => {
  await writeGptOss(at('model'));
  await writeFile(at('text.txt'), (await readFile(EXAMPLE_EVALUATION, 'utf8')).slice(0, 2000));
  const pruning = [
    ...['prune', '--model', at('model'), '--calibration', EXAMPLE_CALIBRATION, '--store', at('store')],
    ...['--samples', '4', '--seqlen', String(SEQLEN), '--expert-tokens', '40'],
  ];
  const killed = await esparseUntil((line) => line.includes('"committed"'), ...pruning, '--json');
  killed.kill('SIGKILL');
  await once(killed, 'exit');
  expect(await esparseJson(...pruning, '--resume')).toMatchObject({ event: 'finished' });
  await esparseJson('export', '--store', at('store'), '--out', at('hf'));
});

test('killed and resumed, it is whole, every expert pruned; both runtimes make the same of it, and of its bf16 export', async () => {
  expect(await esparseJson('verify', '--store', at('store'))).toMatchObject({ damages: [] });
  const { blocks } = await esparseJson('inspect', '--store', at('store'));
  expect(blocks).toHaveLength(GPT_OSS.blocks);
  const stored = await evaluate('--store', at('store'));
  expect((await evaluate('--store', at('store'), '--engine', 'onnx')) / stored).toBeCloseTo(1, 4);
  expect((await evaluate('--model', at('hf'))) / stored).toBeCloseTo(1, 4);
  const config = JSON.parse(await readFile(at('hf', 'config.json'), 'utf8')) as object;
  expect(config).not.toHaveProperty('quantization_config');
});

test('the store and the published checkpoint itself answer a prompt', async () => {
  const prompt = ['--prompt', 'Once', '--max-tokens', '4'];
  expect(await esparse('generate', '--store', at('store'), ...prompt)).toMatchObject({ code: 0 });
  const copies = ['--cache-dir', at('copies')];
  expect(await esparse('generate', '--model', at('model'), ...copies, ...prompt)).toMatchObject({ code: 0 });
});

withPython('transformers loads the export, and measures the perplexity that the store has', async () => {
  // On one thread: several that wait for each other crawl on a busy machine.
  const env = { ...process.env, OMP_NUM_THREADS: '1' };
  const script = path.join(REPOSITORY, 'test/python/perplexity.py');
  const args = [script, at('hf'), at('text.txt'), String(SEQLEN)];
  const { stdout } = await promisify(execFile)(PYTHON!, args, { env });
  const { perplexity } = JSON.parse(stdout) as { readonly perplexity: number };
  expect(perplexity / (await evaluate('--store', at('store')))).toBeCloseTo(1, 4);
});
