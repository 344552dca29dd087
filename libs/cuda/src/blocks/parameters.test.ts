import { EsparseError } from '@esparse/errors';
import { memoryWeights, tinyLlama } from '@esparse/laws';
import { describeModel } from '@esparse/model';
import type { Gpu } from '../arithmetic.ts';
import { loadParameters } from './parameters.ts';

/** A GPU that has no room for a piece of memory, counted from 0, nor for any behind it. */
function gpuWithRoomFor(pieces: number) {
  const held = new Set<number>();
  let asked = 0;
  const nothing = () => undefined;
  const gpu = {
    ...{ upload: nothing, launch: nothing, fill: nothing },
    allocate(bytes: number) {
      if (asked++ >= pieces) throw new EsparseError('unavailable', 'no room');
      held.add(asked);
      return { address: asked, bytes };
    },
    release({ address }: { readonly address: number }) {
      if (!held.delete(address)) throw new Error('released twice');
    },
  } as unknown as Gpu;
  return { gpu, held, asked: () => asked };
}

test('a block for which there is no room leaves nothing in the memory of the GPU', async () => {
  const { config, tensors } = tinyLlama({});
  const weights = memoryWeights(tensors);
  const whole = gpuWithRoomFor(Infinity);
  const description = describeModel(config);
  const loaded = await loadParameters(whole.gpu, description, 0, weights);
  expect(whole.held.size).toBe(loaded.size);
  for (let pieces = 0; pieces < whole.asked(); pieces++) {
    const { gpu, held } = gpuWithRoomFor(pieces);
    await expect(loadParameters(gpu, description, 0, weights)).rejects.toThrow('no room');
    expect(held.size).toBe(0);
  }
});
