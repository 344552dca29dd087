/** `prune --device cuda` and `--solver cuda` that solve for weights, on a GPU that is emulated on the processor. */
import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import { emulatedGpu } from '../support/emulated-gpu.ts';
import { esparseWith } from '../support/esparse.ts';
import { contentsOf, scratchFolder } from '../support/folders.ts';
import { REPOSITORY } from '../support/repository.ts';
import { perplexityOf, QUICK_SHUFFLE, shortPrunes } from '../support/short-prunes.ts';

const run = promisify(execFile);
const SOLVER = path.join(REPOSITORY, 'services/pruner/dist/solver-device.js');

const at = scratchFolder();
const prune = shortPrunes(at);
const gpu = emulatedGpu(at);

test('Hessians are summed and weights solved for on the GPU: equal runs have equal stores, and none loses quality', async () => {
  const quick = ['--set', 'steps=4', '--set', 'sweeps=1', ...QUICK_SHUFFLE];
  for (const [pipeline, ...options] of [['e-sparse-reconstruct', ...quick], ['sparsegpt']] as const) {
    // Where another process's memory cannot be opened, sums are sent, and a GPU with little memory has one linear at a time: the same.
    const small = { ...gpu, FAKE_CUDA: 'cuIpcOpenMemHandle=801 total=1048576' };
    const solved = (store: string, ...args: string[]) =>
      esparseWith(
        store.endsWith('again') ? small : gpu,
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
      perplexities.push(await perplexityOf(at(store), 20));
    }
    expect(await contentsOf(at(`${pipeline}-again`))).toEqual(await contentsOf(at(`${pipeline}-there`)));
    // Sums that are made elsewhere round otherwise: that is another run.
    expect(runs.size).toBe(2);
    expect(Math.abs(perplexities[0]! / perplexities[2]! - 1)).toBeLessThan(0.1);
  }
});

test('a GPU with room for two linears is two devices to the solver, a small one is one', async () => {
  const script = `
    const { openSolver } = await import(${JSON.stringify(SOLVER)});
    const { devices, close } = await openSolver('cuda:all', [{ deviceBytes: () => 1e6 }], [{ rows: 8, cols: 8 }]);
    console.log(devices.length);
    close();`;
  const devicesOf = async (faults: string) => {
    const { stdout } = await run(process.execPath, ['--input-type=module', '-e', script], {
      env: { ...gpu, FAKE_CUDA: faults },
    });
    return Number(stdout);
  };
  expect(await devicesOf('count=2')).toBe(4);
  expect(await devicesOf('count=2 total=8000000')).toBe(2);
});

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

test('GPUs of several kinds solve no run together', async () => {
  const mixed = { ...gpu, FAKE_CUDA: 'count=2 mixed=1' };
  const args = prune('mixed', '--pipeline', 'sparsegpt', '--solver', 'cuda:all');
  expect(await esparseWith(mixed, ...args)).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('cuda:0 is cuda/Fake-GPU/') as string,
  });
});
