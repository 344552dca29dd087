import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { esparse } from '../support/esparse.ts';
import { scratchFolder } from '../support/folders.ts';
import { writeRandomStore } from '../support/random-store.ts';
import { EXAMPLE_EVALUATION, EXAMPLE_MODEL, REPOSITORY } from '../support/repository.ts';
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
  // Its heads, of 32 channels, are filled up.
  expect(await generate('--model', EXAMPLE_MODEL)).toMatchObject({ code: 0, stderr: '' });
  // As an A100, whose kernels are others.
  withDriver('driver', 'major=8');
  expect(await generate('--store', scratch('store'))).toMatchObject({ code: 0, stderr: '' });
  withDriver('driver', 'major=7');
  expect(await generate('--store', scratch('store'))).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('needs compute capability 8.0'),
  });
  withDriver('none');
  expect(await generate('--store', scratch('store'))).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('there is no NVIDIA driver'),
  });
});

test.each(['qwen3-moe', 'qwen3-moe-shares'])(
  '%s is refused by name before anything is loaded',
  async (name) => {
    withDriver('driver', 'cuMemAlloc=2');
    const model = scratch(name);
    await cp(path.join(REPOSITORY, 'test/fixtures/transformers', name), model, { recursive: true });
    // A command that evaluates reads its text first.
    await cp(path.join(EXAMPLE_MODEL, 'tokenizer.json'), path.join(model, 'tokenizer.json'));
    expect(
      await esparse(
        'eval',
        '--model',
        model,
        '--device',
        'cuda',
        '--text',
        EXAMPLE_EVALUATION,
        '--seqlen',
        '32',
      ),
    ).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('qwen3-moe model: some of its layers have experts, and others an MLP'),
    });
  },
);

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

const asking = (url: string, body: object) =>
  fetch(`${url}/v1/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'model', prompt: 'a', ...body }),
  });
const served = (...args: string[]) =>
  serve('--store', scratch('store'), '--model-name', 'model', '--verify', 'none', ...args);
async function until(holds: () => Promise<boolean>): Promise<void> {
  const since = performance.now();
  while (!(await holds())) expect(performance.now() - since).toBeLessThan(120_000);
}
const metricsOf = async (url: string) => (await fetch(`${url}/metrics`)).text();

test('two GPUs are replicas behind one server, and each tells what it does', async () => {
  withDriver('driver', 'count=2');
  const server = await served('--device', 'cuda:0,1');
  const info = (await (await fetch(`${server.url}/info`)).json()) as Record<string, unknown>;
  expect(info).toMatchObject({
    gpu: 'Fake GPU',
    replicas: 2,
    gpu_memory_bytes: 1 << 30,
    gpu_read_bandwidth: 1.024e12,
  });
  // Weights, cache and buffers, within 3 % and what a driver takes for itself.
  const {
    weight_bytes: weights,
    kv_pages: pages,
    kv_page_bytes: pageBytes,
  } = info as {
    weight_bytes: { mapped: number };
    kv_pages: number;
    kv_page_bytes: number;
  };
  const expected = weights.mapped + (pages / 2) * pageBytes;
  expect(Number(info.gpu_memory_used_bytes)).toBeGreaterThan(expected);
  expect(Number(info.gpu_memory_used_bytes)).toBeLessThan(1.03 * expected + 500e6);
  const answers = await Promise.all([1, 2, 3, 4].map((n) => asking(server.url, { max_tokens: 4 + n, n: 2 })));
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
  await new Promise((resolve) => setTimeout(resolve, 600)); // GPUs are looked at every half second
  await asking(server.url, { max_tokens: 2, temperature: 0.5, n: 2 });
  const metrics = await metricsOf(server.url);
  for (const device of ['cuda:0', 'cuda:1']) {
    const value = (name: string) =>
      Number(new RegExp(`^esparse_gpu_${name}{device="${device}"} (.*)$`, 'm').exec(metrics)?.[1]);
    expect(value('memory_bytes')).toBe(1 << 30);
    expect(value('memory_used_bytes')).toBeGreaterThan(1e6);
    expect(value('read_bytes_total')).toBeGreaterThan(weights.mapped);
    expect(value('graphs')).toBeGreaterThan(1);
    expect(metrics).toMatch(
      new RegExp(`^esparse_gpu_graph_launches_total{device="${device}",bucket="4"} [1-9]`, 'm'),
    );
  }
  expect(metrics).toMatch(/^esparse_step_tokens_count [1-9]/m);
  expect(await server.stop()).toBe(0);
});

test('a GPU that is not there, or is named twice, ends the command with 2 before anything is served', async () => {
  withDriver('driver');
  for (const [device, said] of [
    ['cuda:0,1', 'there is no GPU 1'],
    ['cuda:0,0', 'names a device twice'],
    ['cuda:a', "cuda:N with the GPU's number"],
  ] as const) {
    const { code, stderr } = await esparse(
      'generate',
      '--store',
      scratch('store'),
      '--device',
      device,
      '--prompt',
      'a',
    );
    expect([code, stderr]).toEqual([2, expect.stringContaining(said)]);
  }
});

test('memory that another process has taken is told by name and ends with 75, before it is loaded or in the middle of a step', async () => {
  withDriver('driver', 'memory=1000000 total=80000000000');
  expect(await generate('--store', scratch('store'))).toMatchObject({
    code: 75,
    stderr: expect.stringContaining('another process holds the rest'),
  });
  withDriver('driver');
  const server = await served('--device', 'cuda');
  await server.stop();
  // What a graph takes while the server runs: the request has its error, the server goes on.
  withDriver('driver', 'cuGraphInstantiate=2:2');
  const short = await served('--device', 'cuda');
  const answers = [await asking(short.url, { max_tokens: 9 }), await asking(short.url, { max_tokens: 1 })];
  expect(answers[0]!.status).toBe(500);
  expect(await answers[0]!.text()).toContain('CUDA_ERROR_OUT_OF_MEMORY');
  // The log has it, by the name of the request.
  const id = answers[0]!.headers.get('x-request-id')!;
  const isTold = (line: string) => line.includes(id) && line.includes('CUDA_ERROR_OUT_OF_MEMORY');
  expect(short.log.filter(isTold)).toHaveLength(1);
  expect(await short.stop()).toBe(0);
});

test('indices that are damaged are found on the GPU, and end the command with 2 by their block and linear', async () => {
  withDriver('driver', 'damaged=77');
  expect(await generate('--store', scratch('store'))).toMatchObject({
    code: 2,
    stderr: expect.stringContaining(
      'block 0: q_proj: the indices of (tile, group) 77 are not a choice of 2 of 4',
    ),
  });
});

test('one of two GPUs that is lost ends its texts with an error, and the process with 75', async () => {
  withDriver('driver', 'count=2 cuGraphLaunch=719:6');
  const server = await served('--device', 'cuda:0,1');
  const ended = once(server.child, 'exit');
  const answers = await Promise.all([1, 2].map(() => asking(server.url, { max_tokens: 50 })));
  expect(answers.map(({ status }) => status)).toContain(500);
  expect((await ended)[0]).toBe(75);
  expect(server.log.join()).toContain('CUDA_ERROR_LAUNCH_FAILED');
});

test('a client that goes away frees its place on the GPU within a step; SIGTERM lets the others end', async () => {
  withDriver('driver', 'slow=5');
  const server = await served('--device', 'cuda', '--max-context', '2048');
  const free = async () => Number(/^esparse_kv_pages_free (.*)$/m.exec(await metricsOf(server.url))![1]);
  const running = async () =>
    Number(/^esparse_running_sequences (.*)$/m.exec(await metricsOf(server.url))![1]);
  const before = await free();
  const client = new AbortController();
  const headers = { 'content-type': 'application/json' };
  const body = JSON.stringify({
    model: 'model',
    prompt: 'a',
    max_tokens: 2000,
    stream: true,
    temperature: 1,
  });
  const answer = await fetch(`${server.url}/v1/completions`, {
    method: 'POST',
    headers,
    body,
    signal: client.signal,
  });
  expect(answer.status).toBe(200);
  await until(async () => (await free()) < before);
  client.abort();
  await until(async () => (await running()) === 0);
  expect(await free()).toBe(before);
  const last = asking(server.url, { max_tokens: 200 });
  await until(async () => (await running()) > 0);
  expect(await server.stop()).toBe(0);
  expect((await last).status).toBe(200);
});

test('a run that follows another on a GPU has what memory is left, and the log says so; with a bound of the cache both fit', async () => {
  const store = scratch('two-runs');
  const follows = async (...args: string[]) => {
    await writeRandomStore(store, SHAPE, '2:4');
    const server = await serve('--store', store, '--model-name', 'model', '--device', 'cuda', ...args);
    await writeRandomStore(store, SHAPE, 'dense');
    server.child.kill('SIGHUP');
    const outcome = () => server.log.find((line) => /is refused|swapped to/.test(line));
    await until(async () => (await asking(server.url, { max_tokens: 1 })).ok && outcome() !== undefined);
    expect(await server.stop()).toBe(0);
    await rm(store, { recursive: true });
    return server.log.join('\n');
  };
  withDriver('driver', 'memory=100000000');
  const refused = await follows();
  expect(refused).toContain('is refused');
  expect(refused).toContain('the run that a server has beside this one');
  withDriver('driver', 'memory=1000000000');
  expect(await follows()).toContain('its key-value cache is smaller');
  const fits = await follows('--kv-memory', '100');
  expect(fits).toContain('swapped to');
  expect(fits).not.toContain('smaller');
});
