import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { esparse } from '../support/esparse.ts';
import { scratchFolder } from '../support/folders.ts';
import { writeRandomStore } from '../support/random-store.ts';
import { EXAMPLE_MODEL, REPOSITORY } from '../support/repository.ts';
import { serve } from '../support/serve.ts';

const scratch = scratchFolder();
const SHAPE = { hidden: 128, intermediate: 256, blocks: 2, heads: 2, kvHeads: 1, vocab: 300 };

/** A driver that computes nothing, compiled here (see its source), and an empty file in the place of one. */
beforeAll(async () => {
  await writeRandomStore(scratch('store'), SHAPE, '2:4');
  for (const folder of ['driver', 'none']) await mkdir(scratch(folder));
  await writeFile(scratch('none', 'libcuda.so.1'), '');
  const source = path.join(REPOSITORY, 'libs/cuda/emulation/driver.cc');
  const flags = ['-std=c++17', '-O1', '-shared', '-fPIC', '-o', scratch('driver', 'libcuda.so.1')];
  execFileSync(process.env.CXX ?? 'g++', [...flags, source]);
});

const withDriver = (folder: 'driver' | 'none', faults = '') => {
  Object.assign(process.env, { LD_LIBRARY_PATH: scratch(folder), FAKE_CUDA: faults });
};

const generate = (...source: string[]) =>
  esparse('generate', ...source, '--device', 'cuda', '--prompt', 'a', '--max-tokens', '3');

test('--device cuda runs on a GPU or ends with 2, and says what is missing', async () => {
  withDriver('driver');
  expect(await generate('--store', scratch('store'))).toMatchObject({ code: 0, stderr: '' });
  expect(await generate('--model', EXAMPLE_MODEL)).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('heads of 32 channels'),
  });
  withDriver('driver', 'major=8');
  expect(await generate('--store', scratch('store'))).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('needs compute capability 9.0'),
  });
  withDriver('none');
  expect(await generate('--store', scratch('store'))).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('there is no NVIDIA driver'),
  });
});

test('a server whose GPU is lost answers with an error, and ends with 75', async () => {
  withDriver('driver', 'cuGraphLaunch=719:3');
  const server = await serve('--store', scratch('store'), '--device', 'cuda', '--model-name', 'model');
  const ended = once(server.child, 'exit');
  const body = JSON.stringify({ model: 'model', prompt: 'a', max_tokens: 20 });
  const headers = { 'content-type': 'application/json' };
  const answer = await fetch(`${server.url}/v1/completions`, { method: 'POST', headers, body });
  expect(answer.status).toBe(500);
  expect(await answer.json()).toMatchObject({
    error: { message: expect.stringContaining('CUDA_ERROR_LAUNCH_FAILED') },
  });
  expect((await ended)[0]).toBe(75);
});
