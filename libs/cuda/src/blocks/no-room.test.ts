import { EsparseError } from '@esparse/errors';
import { memoryForPieces, memoryWeights, tinyLlama } from '@esparse/laws';
import { describeModel } from '@esparse/model';
import type { Gpu } from '../arithmetic.ts';
import { createCudaBlockRunner } from './block-runner.ts';
import { loadParameters } from './parameters.ts';
import { createReadMemory } from './read-memory.ts';

/** A GPU that has room for so many pieces of memory, and then for none; it computes nothing. */
function gpuWithRoomFor(pieces: number) {
  const { memory, held, asked } = memoryForPieces(pieces, new EsparseError('unavailable', 'no room'));
  const nothing = () => undefined;
  const gpu = {
    ...memory,
    facts: { name: '', driverVersion: 0, cublaslt: 0 },
    ...{ load: nothing, upload: nothing, launch: nothing, fill: nothing, multiply: nothing },
    ...{ copy: nothing, trim: nothing },
    ...{ uploadLater: () => Promise.resolve(), downloadBeside: () => Promise.resolve() },
  } as unknown as Gpu;
  return { gpu, held, asked };
}

const { config, tensors } = tinyLlama({});
const weights = memoryWeights(tensors);
const description = describeModel(config);

test('a block for which there is no room leaves nothing in the memory of the GPU', async () => {
  const load = (gpu: Gpu) => loadParameters({ gpu, description, weights, memory: createReadMemory() }, 0);
  const whole = gpuWithRoomFor(Infinity);
  const loaded = await load(whole.gpu);
  expect(whole.held.size).toBe(loaded.size);
  for (let pieces = 0; pieces < whole.asked(); pieces++) {
    const { gpu, held } = gpuWithRoomFor(pieces);
    await expect(load(gpu)).rejects.toThrow('no room');
    expect(held.size).toBe(0);
  }
});

test('a shard for which there is no room leaves nothing there but the block', async () => {
  const seqlen = 8;
  const states = new Uint16Array(2 * seqlen * description.hidden);
  const run = async (pieces: number) => {
    const { gpu, held, asked } = gpuWithRoomFor(pieces);
    const runner = createCudaBlockRunner(description, { gpu, seqlen });
    const block = await runner.load(0, weights);
    const before = asked();
    const outcome = await block.advanceRounded!(states).then(
      () => 'done',
      (error: unknown) => (error as Error).message,
    );
    await block.release();
    await runner.release();
    expect([pieces, held.size]).toEqual([pieces, 0]);
    return { outcome, before, asked: asked() };
  };
  const { outcome, before, asked } = await run(Infinity);
  expect(outcome).toBe('done');
  for (let pieces = before; pieces < asked; pieces++) expect((await run(pieces)).outcome).toBe('no room');
});
