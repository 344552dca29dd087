/** `--device cuda` of `worker` and `prune` on a GPU that is emulated on the processor: the very path that a GPU takes. */
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { emulatedGpu } from '../support/emulated-gpu.ts';
import { esparseWith } from '../support/esparse.ts';
import { contentsOf, scratchFolder } from '../support/folders.ts';
import { perplexityOf, QUICK_SHUFFLE, shortPrunes } from '../support/short-prunes.ts';

const at = scratchFolder();
const prune = shortPrunes(at);
const gpu = emulatedGpu(at);

/** What a run keeps of a tap. */
async function reading(store: string, block: number, tap: string, name: string): Promise<Float32Array> {
  const [run] = await readdir(at(store, 'runs'));
  const chunk = await readFile(at(store, `runs/${run!}/blocks/${block}/${tap}/${name}/c/0`));
  // Behind the values is a checksum.
  return new Float32Array(chunk.buffer.slice(chunk.byteOffset, chunk.byteOffset + chunk.length - 4));
}

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
  expect((await perplexityOf(at('once'), 40)) / (await perplexityOf(at('cpu'), 40))).toBeLessThan(1.25);
});

test('a store is the same to the byte whether its orders were found on a GPU, on two, or on the processor', async () => {
  const oneBlock = ['--device', 'cuda', '--layer', 'blocks.{1..3}.*=dense'];
  for (const solver of ['cuda', 'cuda:all', 'cpu']) {
    const args = prune(`ordered-${solver}`, ...oneBlock, '--solver', solver);
    const outcome = await esparseWith({ ...gpu, FAKE_CUDA: 'count=2' }, ...args);
    expect({ solver, ...outcome }).toMatchObject({ solver, code: 0 });
  }
  for (const solver of ['cuda:all', 'cpu'])
    expect(await contentsOf(at(`ordered-${solver}`))).toEqual(await contentsOf(at('ordered-cuda')));
});

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

test('a worker whose GPU is lost ends with 75, and prune says so', async () => {
  const failing = { ...gpu, FAKE_CUDA: 'cuLaunchKernelEx=719:100' };
  const { code, stderr } = await esparseWith(failing, ...prune('lost', '--device', 'cuda'));
  expect({ code, stderr }).toEqual({
    code: 75,
    stderr: expect.stringContaining('CUDA_ERROR_LAUNCH_FAILED') as string,
  });
});
