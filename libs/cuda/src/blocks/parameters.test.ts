import type { PackedMatrix, WeightSource } from '@esparse/checkpoint';
import { packedLayout } from '@esparse/kernels';
import { memoryForPieces, memoryWeights, tinyLlama } from '@esparse/laws';
import { describeModel } from '@esparse/model';
import { setImmediate } from 'node:timers/promises';
import type { Gpu } from '../arithmetic.ts';
import { loadParameters } from './parameters.ts';
import { createReadMemory } from './read-memory.ts';

const { config, tensors } = tinyLlama({});
const description = describeModel(config);
const dense = memoryWeights(tensors);
const linears = new Map(description.linears.map((linear) => [linear.weight(0), linear]));

/** Weights of which those of linears are packed, in the memory that is asked for. */
const packed: WeightSource = {
  ...dense,
  packed: async (name, _signal, memory = (bytes) => new Uint8Array(bytes)) => {
    const linear = linears.get(name);
    if (linear === undefined) return undefined;
    const { rows, cols } = linear;
    const { tiles, groups, groupValues, groupBytes } = packedLayout(rows, cols, 2, 4);
    const values = memory(2 * tiles * groups * groupValues);
    const permutation = memory(4 * cols);
    await setImmediate();
    return {
      ...{ rows, cols, keep: 2, group: 4, indices: memory(tiles * groups * groupBytes) },
      values: new Uint16Array(values.buffer),
      permutation: new Int32Array(permutation.buffer),
    } satisfies PackedMatrix;
  },
};

/** A GPU that computes nothing, and takes its time to copy. @param failing - the number of a copy that fails at once */
function slowGpu(failing = -1) {
  const { memory, held } = memoryForPieces(Infinity, new Error('no room'));
  const arriving = new Set<ArrayBufferLike>();
  const used = new Set<number>();
  let copies = 0;
  const nothing = () => undefined;
  const gpu = {
    ...{ launch: nothing, fill: nothing, upload: nothing, download: nothing },
    allocate: memory.allocate,
    release(piece: { readonly address: number }) {
      expect(used).not.toContain(piece.address);
      memory.release(piece);
    },
    async uploadLater(to: number, { buffer }: ArrayBufferView) {
      if (copies++ === failing) throw new Error('it is lost');
      arriving.add(buffer);
      used.add(to);
      await setImmediate();
      await setImmediate();
      arriving.delete(buffer);
      used.delete(to);
    },
  } as unknown as Gpu;
  return { gpu, held, arriving, copies: () => copies };
}

test('packed weights are read into the memory of those before them, once these have arrived', async () => {
  const { gpu, arriving } = slowGpu();
  const pool = createReadMemory();
  let fresh = new Set<ArrayBufferLike>();
  const seen = new Set<ArrayBufferLike>();
  const memory = {
    ...pool,
    take(bytes: number) {
      const array = pool.take(bytes);
      expect(arriving).not.toContain(array.buffer);
      if (!seen.has(array.buffer)) fresh.add(array.buffer);
      seen.add(array.buffer);
      return array;
    },
  };
  const loaded = await loadParameters({ gpu, description, weights: packed, memory }, 0);
  expect(fresh.size).toBeGreaterThan(0);
  fresh = new Set();
  const again = await loadParameters({ gpu, description, weights: packed, memory }, 0);
  expect(fresh.size).toBe(0);
  expect([...again.keys()]).toEqual([...loaded.keys()]);
});

test('a copy that fails leaves nothing in the memory of the GPU, which goes back when others have arrived', async () => {
  const whole = slowGpu();
  const places = { description, weights: packed, memory: createReadMemory() };
  const loaded = await loadParameters({ ...places, gpu: whole.gpu }, 0);
  expect(whole.held.size).toBe(loaded.size);
  for (let failing = 0; failing < whole.copies(); failing++) {
    const { gpu, held } = slowGpu(failing);
    await expect(loadParameters({ ...places, gpu }, 0)).rejects.toThrow('it is lost');
    expect(held.size).toBe(0);
  }
});

test('memory of sizes that are wanted no more is not kept for ever', () => {
  const memory = createReadMemory();
  const first = memory.take(1);
  memory.give(first);
  expect(memory.take(1)).toHaveProperty('buffer', first.buffer);
  memory.give(first);
  for (let bytes = 2; bytes < 40; bytes++) memory.give(memory.take(bytes));
  expect(memory.take(1).buffer).not.toBe(first.buffer);
});
