/** `--device cuda` of `worker` and `prune` on a GPU that is emulated on the processor: the very path that a GPU takes. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { emulatedGpu } from '../support/emulated-gpu.ts';
import { esparseJson, esparseWith } from '../support/esparse.ts';
import { contentsOf, scratchFolder } from '../support/folders.ts';
import {
  ESPARSE,
  EXAMPLE_CALIBRATION,
  EXAMPLE_EVALUATION,
  EXAMPLE_MODEL,
  REPOSITORY,
} from '../support/repository.ts';

/** Products of whole prunes on an emulated GPU take a minute or two, on a busy machine five. */
const TIMEOUT_MS = 15 * 60_000;

const at = scratchFolder();
let gpu: NodeJS.ProcessEnv;
beforeAll(() => {
  gpu = emulatedGpu(at('gpu'));
});

/** The search of the local shuffle has laws of its own, and takes the emulated GPU minutes. */
const QUICK_SHUFFLE = ['--shuffle', 'global'];

const prune = (store: string, ...args: string[]) => [
  ...['prune', '--model', EXAMPLE_MODEL, '--calibration', EXAMPLE_CALIBRATION, '--store', at(store)],
  ...['--samples', '3', '--seqlen', '48', ...args],
];

/** Of a store, on the processor. */
async function perplexityOf(store: string, windows: number): Promise<number> {
  const text = ['--text', EXAMPLE_EVALUATION, '--seqlen', '128', '--windows', String(windows)];
  return Number((await esparseJson('eval', '--store', at(store), ...text)).perplexity);
}

/** What a run keeps of a tap. */
async function reading(store: string, block: number, tap: string, name: string): Promise<Float32Array> {
  const [run] = await readdir(at(store, 'runs'));
  const chunk = await readFile(at(store, `runs/${run!}/blocks/${block}/${tap}/${name}/c/0`));
  // Behind the values is a checksum.
  return new Float32Array(chunk.buffer.slice(chunk.byteOffset, chunk.byteOffset + chunk.length - 4));
}

test('blocks of every family are those of the processor, or refused by name', async () => {
  const laws = path.join(REPOSITORY, 'test/dist/cuda/block-laws.js');
  const { stdout } = await promisify(execFile)(process.execPath, ['--test', laws], { env: gpu });
  expect(stdout).toMatch(/^# pass 16$/m);
});

test('gradients of every family are those of the processor, and so is what is learnt', async () => {
  const laws = path.join(REPOSITORY, 'test/dist/cuda/tuning-laws.js');
  const { stdout } = await promisify(execFile)(process.execPath, ['--test', laws], { env: gpu });
  expect(stdout).toMatch(/^# pass 19$/m);
});

test("gradients of a whole model and the losses of steps down them are PyTorch's, in parts, too", async () => {
  const laws = path.join(REPOSITORY, 'test/dist/cuda/model-tuning-laws.js');
  const { stdout } = await promisify(execFile)(process.execPath, ['--test', laws], { env: gpu });
  expect(stdout).toMatch(/^# pass 7$/m);
});

test("Hessians' sums, solutions and masks are those of the processor up to rounding, orders to the bit", async () => {
  const laws = path.join(REPOSITORY, 'test/dist/cuda/pruning-laws.js');
  const { stdout } = await promisify(execFile)(process.execPath, ['--test', laws], { env: gpu });
  expect(stdout).toMatch(/^# pass 20$/m);
});

test(
  'Hessians are summed and weights solved for on the GPU: equal runs have equal stores, and none loses quality',
  async () => {
    const quick = ['--set', 'steps=4', '--set', 'sweeps=1', ...QUICK_SHUFFLE];
    for (const [pipeline, ...options] of [['e-sparse-reconstruct', ...quick], ['sparsegpt']] as const) {
      // Where another process's memory cannot be opened, sums are sent: the same.
      const notShared = { ...gpu, FAKE_CUDA: 'cuIpcOpenMemHandle=801' };
      const solved = (store: string, ...args: string[]) =>
        esparseWith(
          store.endsWith('again') ? notShared : gpu,
          ...prune(store, '--pipeline', pipeline, ...options, ...args, '--json'),
        );
      const runs = new Set<string>();
      const perplexities: number[] = [];
      const ways: Readonly<Record<string, string[]>> = {
        there: ['--device', 'cuda'],
        again: ['--device', 'cuda', '--in-flight', '3'],
        here: ['--device', 'cuda', '--combine', 'pruner', '--solver', 'cpu'],
      };
      for (const [way, args] of Object.entries(ways)) {
        const store = `${pipeline}-${way}`;
        const { code, stdout } = await solved(store, ...args);
        expect({ code, way }).toEqual({ code: 0, way });
        const finished = JSON.parse(stdout.trim().split('\n').at(-1)!) as { run: string };
        runs.add(finished.run);
        perplexities.push(await perplexityOf(store, 20));
      }
      expect(await contentsOf(at(`${pipeline}-again`))).toEqual(await contentsOf(at(`${pipeline}-there`)));
      // Sums that are made elsewhere round otherwise: that is another run.
      expect(runs.size).toBe(2);
      expect(Math.abs(perplexities[0]! / perplexities[2]! - 1)).toBeLessThan(0.1);
    }
  },
  TIMEOUT_MS,
);

test('a GPU that is lost while the pruner solves ends it with 75, and so does one of several', async () => {
  // The worker of ONNX Runtime launches no kernels: what is lost is the pruner's.
  const failing = { ...gpu, FAKE_CUDA: 'count=2 cuLaunchKernelEx=719:100' };
  for (const solver of ['cuda', 'cuda:0,1']) {
    const args = prune('lost-solving', '--pipeline', 'sparsegpt', '--solver', solver);
    const { code, stderr } = await esparseWith(failing, ...args);
    expect({ code, stderr }).toEqual({
      code: 75,
      stderr: expect.stringContaining('CUDA_ERROR_LAUNCH_FAILED') as string,
    });
  }
});

test('workers without a GPU are asked for no Hessians', async () => {
  const { code, stderr } = await esparseWith(
    gpu,
    ...prune('refused', '--pipeline', 'sparsegpt', '--combine', 'worker'),
  );
  expect({ code, stderr }).toEqual({
    code: 2,
    stderr: expect.stringContaining('workers cannot gather the statistic gram') as string,
  });
});

test('blocks are tuned on the GPU: their losses fall as on the processor, and equal runs have equal stores, whether it kept the hidden states or not', async () => {
  const tuned = (store: string, device: string) => [
    ...prune(store, '--device', device, '--pipeline', 'e-sparse-tune', '--json'),
    ...['--set', 'steps=6', '--set', 'batch=2', ...QUICK_SHUFFLE],
  ];
  const after = async (store: string, device: string, how = gpu) => {
    const { code, stdout } = await esparseWith(how, ...tuned(store, device));
    expect(code).toBe(0);
    const events = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    const reports = events.filter(({ event }) => event === 'stage').map(({ report }) => report);
    return reports as { heldOutBefore: number; heldOutAfter: number }[];
  };
  const [once, again, cpu] = [
    await after('tuned', 'cuda'),
    // States may have a part of all memory: none.
    await after('tuned-again', 'cuda', { ...gpu, FAKE_CUDA: 'total=0' }),
    await after('tuned-cpu', 'cpu'),
  ];
  expect(again).toEqual(once);
  expect(await contentsOf(at('tuned-again'))).toEqual(await contentsOf(at('tuned')));
  expect(once).toHaveLength(cpu.length);
  for (const [i, { heldOutBefore, heldOutAfter }] of once.entries()) {
    expect(heldOutAfter).toBeLessThan(heldOutBefore);
    // Shuffles and masks differ by last bits.
    expect(Math.abs(heldOutAfter / cpu[i]!.heldOutAfter - 1)).toBeLessThan(0.2);
  }
});

test('a run is tuned as a whole: it expects more of what the dense model does, masks stay, and equal calls make equal runs', async () => {
  await esparseWith(gpu, ...prune('whole', '--device', 'cuda', ...QUICK_SHUFFLE));
  await cp(at('whole'), at('whole-again'), { recursive: true });
  const before = await perplexityOf('whole', 40);
  const tuned = (store: string, ...args: string[]) =>
    esparseWith(
      gpu,
      ...['tune', '--model', EXAMPLE_MODEL, '--calibration', EXAMPLE_CALIBRATION, '--store', at(store)],
      ...['--samples', '5', '--seqlen', '48', '--steps', '8', '--batch', '2', '--json', ...args],
    );
  const { code, stdout } = await tuned('whole');
  expect(code).toBe(0);
  const report = JSON.parse(stdout) as { outside: number; tuned: Record<string, number> };
  // What was pruned is zero.
  expect(report.outside).toBe(0);
  expect(report.tuned.heldOutAfter).toBeLessThan(report.tuned.heldOutBefore!);
  expect(await perplexityOf('whole', 40)).toBeLessThan(before);
  expect(await tuned('whole-again')).toMatchObject({ code: 0 });
  expect(await contentsOf(at('whole-again'))).toEqual(await contentsOf(at('whole')));
  // What was tuned is of other weights than the dense model's.
  expect(await tuned('whole')).toMatchObject({ code: 2, stderr: expect.stringContaining('is not what run') });
});

test('tuning blocks of real sizes asks for nothing that a GPU does not take', async () => {
  const shapes = path.join(REPOSITORY, 'test/dist/cuda/tuning-shapes.js');
  const idle = { ...gpu, FAKE_CUDA: `idle=1 memory=${140 * 2 ** 30}` };
  const { stdout } = await promisify(execFile)(process.execPath, [shapes], { env: idle });
  // Losses are all 0 there: it ends early.
  expect(JSON.parse(stdout)).toEqual({ small: 120, wide: 120, long: 120 });
});

test('tuning models of real sizes as a whole asks for nothing that a GPU does not take, nor for more memory than is free', async () => {
  const shapes = path.join(REPOSITORY, 'test/dist/cuda/model-tuning-shapes.js');
  const idle = { ...gpu, FAKE_CUDA: `idle=1 memory=${140 * 2 ** 30}` };
  const { stdout } = await promisify(execFile)(process.execPath, [shapes], { env: idle });
  const whole = { steps: 40, told: [] };
  const inParts = { steps: 40, told: ['a batch of 16 sequences goes through the model 4 at a time'] };
  expect(JSON.parse(stdout)).toEqual({
    small: { ...whole, held: 6.7 },
    'small of little room': { ...inParts, held: 5.7 },
    wide: { ...whole, held: 33.4 },
    'wide of little room': { ...inParts, held: 22.5 },
    odd: { ...whole, held: 4 },
  });
}, 120_000);

test("what prune gathers on a GPU is what it gathers on the processor, and equal runs' stores are equal", async () => {
  const ways = { once: [], again: ['--combine', 'pruner'] };
  for (const [store, args] of Object.entries(ways)) {
    const on = prune(store, '--device', 'cuda', ...QUICK_SHUFFLE, ...args);
    expect(await esparseWith(gpu, ...on)).toMatchObject({ code: 0 });
  }
  expect(await contentsOf(at('again'))).toEqual(await contentsOf(at('once')));
  const here = prune('cpu', '--device', 'cpu', ...QUICK_SHUFFLE);
  expect(await esparseWith(gpu, ...here)).toMatchObject({ code: 0 });
  for (const tap of ['attn_in', 'attn_out', 'mlp_in', 'mlp_out']) {
    const [there, here] = [
      await reading('once', 0, tap, 'amplitude'),
      await reading('cpu', 0, tap, 'amplitude'),
    ];
    there.forEach((value, i) => {
      expect(Math.abs(value / here[i]! - 1)).toBeLessThan(3e-2);
    });
    const entropy = await reading('once', 0, tap, 'entropy');
    const expected = await reading('cpu', 0, tap, 'entropy');
    const difference = entropy.reduce((sum, value, i) => sum + Math.abs(value - expected[i]!), 0);
    // Of 144 tokens in 100 bins: one that lies on the other side of an edge counts for hundredths of a nat.
    expect(difference / entropy.length).toBeLessThan(0.05);
  }
  expect((await perplexityOf('once', 40)) / (await perplexityOf('cpu', 40))).toBeLessThan(1.25);
});

test(
  'a store is the same to the byte whether its orders were found on a GPU, on two, or on the processor',
  async () => {
    const oneBlock = ['--device', 'cuda', '--layer', 'blocks.{1..3}.*=dense'];
    for (const solver of ['cuda', 'cuda:all', 'cpu']) {
      const args = prune(`ordered-${solver}`, ...oneBlock, '--solver', solver);
      const outcome = await esparseWith({ ...gpu, FAKE_CUDA: 'count=2' }, ...args);
      expect({ solver, ...outcome }).toMatchObject({ solver, code: 0 });
    }
    for (const solver of ['cuda:all', 'cpu'])
      expect(await contentsOf(at(`ordered-${solver}`))).toEqual(await contentsOf(at('ordered-cuda')));
  },
  TIMEOUT_MS,
);

test('where the GPU has no room, or too little, for the scores of a linear, the processor finds the same', async () => {
  for (const memory of [2 ** 30, 700_000, 1000]) {
    // The worker of ONNX Runtime takes none.
    const args = prune(`room-${memory}`, '--layer', 'blocks.{1..3}.*=dense', '--solver', 'cuda');
    const outcome = await esparseWith({ ...gpu, FAKE_CUDA: `memory=${memory}` }, ...args);
    expect({ memory, ...outcome }).toMatchObject({ memory, code: 0 });
  }
  const expected = await contentsOf(at(`room-${2 ** 30}`));
  for (const memory of [700_000, 1000]) expect(await contentsOf(at(`room-${memory}`))).toEqual(expected);
});

test('what is missing is said at the start, with exit code 2', async () => {
  await mkdir(at('none'));
  await writeFile(at('none', 'libcuda.so.1'), '');
  const without = { ...gpu, ESPARSE_CUBLASLT: at('none', 'libcublasLt.so.13') };
  const args = prune('missing', '--device', 'cuda');
  expect(await esparseWith(without, ...args)).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('there is no cuBLASLt'),
  });
  expect(
    await esparseWith(
      { ...gpu, LD_LIBRARY_PATH: at('none'), ESPARSE_CUBLASLT: at('gpu/libcublasLt.so.13') },
      ...args,
    ),
  ).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('there is no NVIDIA driver'),
  });
  expect(await esparseWith(gpu, ...prune('missing', '--device', 'cuda:1'))).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('there is no GPU 1'),
  });
});

test('GPUs of several kinds solve no run together', async () => {
  const mixed = { ...gpu, FAKE_CUDA: 'count=2 mixed=1' };
  const args = prune('mixed', '--pipeline', 'sparsegpt', '--solver', 'cuda:all');
  expect(await esparseWith(mixed, ...args)).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('cuda:0 is cuda/Fake-GPU/') as string,
  });
});

test('cuda:all is a worker for each GPU, and the store is that of one', async () => {
  const two = { ...gpu, FAKE_CUDA: 'count=2' };
  const reconstruct = ['--pipeline', 'e-sparse-reconstruct', '--set', 'steps=4', '--set', 'sweeps=1'];
  for (const [name, pipeline] of Object.entries({ plain: [], solved: reconstruct })) {
    const on = (store: string, device: string) =>
      prune(`${name}-${store}`, '--device', device, ...QUICK_SHUFFLE, ...pipeline, '--json');
    expect(await esparseWith(gpu, ...on('one', 'cuda'))).toMatchObject({ code: 0 });
    const { code, stdout } = await esparseWith(two, ...on('two', 'cuda:all'));
    expect({ name, code }).toEqual({ name, code: 0 });
    const started = stdout.split('\n').find((line) => line.includes('"started"'))!;
    expect((JSON.parse(started) as { workers: unknown[] }).workers).toHaveLength(2);
    expect(await contentsOf(at(`${name}-two`))).toEqual(await contentsOf(at(`${name}-one`)));
  }
});

test(
  'a run on two GPUs that is killed while it solves goes on, and its store is that of one that was not',
  async () => {
    const two = { ...gpu, FAKE_CUDA: 'count=2' };
    const args = (store: string) => [
      ...prune(store, '--device', 'cuda:all', ...QUICK_SHUFFLE, '--pipeline', 'e-sparse-reconstruct'),
      ...['--set', 'steps=2', '--set', 'sweeps=1', '--layer', 'blocks.{2..3}.*=dense', '--json'],
    ];
    expect(await esparseWith(two, ...args('whole-two'))).toMatchObject({ code: 0 });
    // In the second block: by then the dense model's pass over it goes on beside the solving.
    await killedAt(
      two,
      args('killed-two'),
      (line) => line.includes('"linear"') && line.includes('"block":1'),
    );
    expect(await esparseWith(two, ...args('killed-two'))).toMatchObject({ code: 0 });
    expect(await contentsOf(at('killed-two'))).toEqual(await contentsOf(at('whole-two')));
  },
  TIMEOUT_MS,
);

/** Runs a command until it prints such a line, and kills it at once. */
async function killedAt(env: NodeJS.ProcessEnv, args: string[], when: (line: string) => boolean) {
  const child = spawn(process.execPath, [ESPARSE, ...args], { env, stdio: ['ignore', 'pipe', 'ignore'] });
  const ended = once(child, 'exit');
  for await (const line of createInterface(child.stdout)) {
    if (when(line)) child.kill('SIGKILL');
  }
  expect(await ended).toEqual([null, 'SIGKILL']);
}

test('a worker whose GPU is lost ends with 75, and prune says so', async () => {
  const failing = { ...gpu, FAKE_CUDA: 'cuLaunchKernelEx=719:100' };
  const { code, stderr } = await esparseWith(failing, ...prune('lost', '--device', 'cuda'));
  expect({ code, stderr }).toEqual({
    code: 75,
    stderr: expect.stringContaining('CUDA_ERROR_LAUNCH_FAILED') as string,
  });
});
