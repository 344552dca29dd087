/** Run in a process that has an emulated GPU: what a shard's statistics and output are said to take, and how they end there. */
import { isEsparseError } from '@esparse/errors';
import { memoryWeights, tinyLlama } from '@esparse/laws';
import { describeModel, tapsOf } from '@esparse/model';
import { STATISTICS } from '@esparse/statistics';
import { CudaArithmetic } from '../arithmetic.ts';
import { createCudaBlockRunner } from '../blocks/block-runner.ts';
import { gpuMemory } from '../blocks/gpu-memory.ts';

const [seqlen, sequences] = [96, 8];
const statistics = [...STATISTICS.values()];
const { config, tensors } = tinyLlama({ hidden_size: 64, intermediate_size: 160, head_dim: 16 });
const description = describeModel(config);
const needed = await gpuMemory(description, { seqlen, sequences, statistics });
process.stdout.write(JSON.stringify({ needed, outcome: await outcome() }));

async function outcome(): Promise<string> {
  const gpu = CudaArithmetic.open();
  try {
    const runner = createCudaBlockRunner(description, { gpu, seqlen });
    const block = await runner.load(0, memoryWeights(tensors));
    const states = new Uint16Array(sequences * seqlen * description.hidden).fill(0x3f80);
    const taps = tapsOf(description, 0);
    const folds = taps.flatMap(({ channels }) => statistics.map((each) => each.onDevice!(gpu, channels)));
    await block.show!(states, new Map(taps.map(({ name }) => [name, () => undefined])));
    for (const fold of folds) fold.release();
    await runner.load(0, memoryWeights(tensors));
    await block.advanceRounded!(states);
    return 'done';
  } catch (error) {
    if (!isEsparseError(error)) throw error;
    return error.kind;
  } finally {
    gpu.close();
  }
}
