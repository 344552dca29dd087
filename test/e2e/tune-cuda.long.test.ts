/** `prune` and `tune` that learn with `--device cuda`, on a GPU that is emulated on the processor. */
import { cp } from 'node:fs/promises';
import { emulatedGpu } from '../support/emulated-gpu.ts';
import { esparseWith } from '../support/esparse.ts';
import { contentsOf, scratchFolder } from '../support/folders.ts';
import { EXAMPLE_CALIBRATION, EXAMPLE_MODEL } from '../support/repository.ts';
import { perplexityOf, QUICK_SHUFFLE, shortPrunes } from '../support/short-prunes.ts';

const at = scratchFolder();
const prune = shortPrunes(at);
const gpu = emulatedGpu(at);

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
  const before = await perplexityOf(at('whole'), 40);
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
  expect(await perplexityOf(at('whole'), 40)).toBeLessThan(before);
  expect(await tuned('whole-again')).toMatchObject({ code: 0 });
  expect(await contentsOf(at('whole-again'))).toEqual(await contentsOf(at('whole')));
  // What was tuned is of other weights than the dense model's.
  expect(await tuned('whole')).toMatchObject({ code: 2, stderr: expect.stringContaining('is not what run') });
});
