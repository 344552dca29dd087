/**
 * `--device webgpu` on a Vulkan driver that computes on the processor: slow, but the very path that a GPU takes. Left out,
 * with a warning, where there is none (see `support/software-vulkan.ts`).
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import path from 'node:path';
import { checkpointWeights, openCheckpoint } from '@esparse/checkpoint';
import { relativeError } from '@esparse/laws';
import { describeCheckpoint } from '@esparse/model';
import { createBlockRunner, embedTokens } from '@esparse/onnx';
import { connectWorker } from '@esparse/protocol';
import { createOrOpenStore } from '@esparse/store';
import { esparse, esparseJson, esparseWith } from '../support/esparse.ts';
import { contentsOf, scratchFolder } from '../support/folders.ts';
import {
  EXAMPLE_CALIBRATION,
  EXAMPLE_EVALUATION,
  EXAMPLE_MODEL,
  ESPARSE,
  REPOSITORY,
} from '../support/repository.ts';
import { NO_VULKAN, softwareVulkan } from '../support/software-vulkan.ts';

const environment = softwareVulkan();
const testOnWebGpu = environment === undefined ? test.skip : test;
const at = scratchFolder();

/** f32 sums in another order: what was seen on drivers and models is 1e-6 of the largest activation. */
const TOLERANCE = 1e-5;

/**
 * Wanda's score moves as little as the activations do. E-Sparse counts values in bins and deals channels by rank: with few
 * tokens one value on the other side of an edge prunes another, equally good model (docs/gpu.md).
 */
const SMALL = [
  ...['--model', EXAMPLE_MODEL, '--calibration', EXAMPLE_CALIBRATION],
  ...['--samples', '2', '--seqlen', '32', '--pipeline', 'wanda'],
];

test('a device that is not there is refused at the start, by all alike, with what it needs, and no line stands before that', async () => {
  const evaluate = ['eval', '--model', EXAMPLE_MODEL, '--text', EXAMPLE_EVALUATION, '--device', 'webgpu'];
  const evaluated = await esparseWith(NO_VULKAN, ...evaluate);
  const worker = await esparseWith(NO_VULKAN, 'worker', '--listen', '127.0.0.1:0', '--device', 'webgpu');
  const prune = await esparseWith(NO_VULKAN, 'prune', ...SMALL, '--store', at('none'), '--device', 'webgpu');
  for (const { code, stderr } of [evaluated, worker, prune]) {
    expect(code).toBe(2);
    // Where the worker of prune has said it, prune says that it stands above.
    expect(stderr).toMatch(/^error: there is no webgpu device that works: .*\n {2}install .*Vulkan/);
  }
});

test('the device of a worker is its own: prune takes none beside --worker', async () => {
  const both = await esparse(
    ...['prune', ...SMALL, '--store', at('both')],
    ...['--worker', '127.0.0.1:1', '--device', 'webgpu'],
  );
  expect(both).toMatchObject({ code: 2, stderr: expect.stringContaining('--worker') as string });
});

testOnWebGpu('the taps of every block and its output are those of the processor, within 1e-5', async () => {
  const checkpoint = await openCheckpoint(EXAMPLE_MODEL);
  const description = describeCheckpoint(checkpoint);
  const weights = checkpointWeights(checkpoint);
  const seqlen = 24;
  const tokens = Uint32Array.from({ length: 2 * seqlen }, (_, i) => (i * 37) % description.vocab);
  const target = { model: EXAMPLE_MODEL, store: at('taps'), run: '0123456789abcdef', seqlen };
  await (await (await createOrOpenStore(target.store)).beginRun(target.run, {})).close();

  const { process: child, address } = await startWorker();
  const worker = connectWorker(address);
  const runner = await createBlockRunner(description, { seqlen, threads: 1 });
  await worker.openShard(target, { shard: 0, sequences: 2, tokens });
  const loaded = await runner.load(0, weights);
  const states = await Promise.all(
    [0, 1].map((s) =>
      embedTokens(description, weights, tokens.subarray(s * seqlen, (s + 1) * seqlen), seqlen),
    ),
  );
  const taps = new Map(description.taps.map(({ name, channels }) => [name, channels]));
  const tiles = worker.streamActivations(target, { block: 0, shard: 0, seqlen, sequences: 2, taps });
  let seen = 0;
  for await (const { tap, sequence, data } of tiles) {
    const expected = (await loaded.taps(states[sequence]!)).find((output) => output.tap === tap)!.data;
    expect(relativeError(data, expected)).toBeLessThan(TOLERANCE);
    seen++;
  }
  expect(seen).toBe(2 * taps.size);
  worker.close();
  child.kill('SIGTERM');
  await once(child, 'exit');
  await Promise.all([runner.release(), checkpoint.close()]);
});

testOnWebGpu(
  'a model pruned on WebGPU has the perplexity of one pruned on the processor within 0.5 %, and the same bytes twice',
  async () => {
    const onGpu = await pruneOn('gpu', 'webgpu');
    await pruneOn('cpu', 'cpu');
    expect(String(onGpu.run)).toMatch(/^[0-9a-f]{32}$/);
    const [gpu, cpu] = [await perplexityOf('gpu'), await perplexityOf('cpu')];
    expect(Math.abs(gpu / cpu - 1)).toBeLessThan(0.005);
    const again = await pruneOn('again', 'webgpu');
    expect(again.run).toBe(onGpu.run);
    expect(await contentsOf(at('again'))).toEqual(await contentsOf(at('gpu')));
  },
);

testOnWebGpu('the gradients of a block are those of the processor, within 1e-5', async () => {
  const script = path.join(REPOSITORY, 'test/support/webgpu-gradients.mjs');
  const child = spawn(process.execPath, [script, EXAMPLE_MODEL], {
    env: environment,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let printed = '';
  for await (const text of child.stdout) printed += String(text);
  expect(Number.parseFloat(printed)).toBeLessThan(TOLERANCE);
});

async function pruneOn(store: string, device: string): Promise<Record<string, unknown>> {
  const { code, stdout, stderr } = await esparseWith(
    environment!,
    ...['prune', ...SMALL, '--store', at(store), '--device', device, '--json'],
  );
  expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' });
  return JSON.parse(stdout.trim().split('\n').at(-1)!) as Record<string, unknown>;
}

async function perplexityOf(store: string): Promise<number> {
  const { perplexity } = await esparseJson(
    ...['eval', '--store', at(store), '--text', EXAMPLE_EVALUATION, '--seqlen', '128'],
  );
  return perplexity as number;
}

/** A worker on the software device: the process, and the address in its log. */
async function startWorker() {
  const child = spawn(
    process.execPath,
    [
      ESPARSE,
      ...['worker', '--listen', '127.0.0.1:0', '--device', 'webgpu'],
      ...['--root', EXAMPLE_MODEL, '--root', at()],
    ],
    { stdio: ['ignore', 'ignore', 'pipe'], env: environment },
  );
  for await (const line of createInterface(child.stderr)) {
    if (!line.startsWith('{')) continue;
    const { address, arithmetic } = JSON.parse(line) as Record<string, string>;
    expect(arithmetic).toMatch(/^webgpu\/.*probe-[0-9a-f]{8}$/);
    child.stderr.resume();
    return { process: child, address: address! };
  }
  throw new Error('the worker ended before it listened');
}
