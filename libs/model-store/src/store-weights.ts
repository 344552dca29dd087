import { elementCount, type WeightSource } from '@esparse/checkpoint';
import type { PrunableModel } from '@esparse/model';
import { checkPackedLinear, encodingOf, isPacked } from '@esparse/sparsity';
import type { Run } from '@esparse/store';
import { readDenseF32 } from './dense.ts';
import { freeLinear, linearAttributesOf, readLinear, readLinearF32 } from './linears.ts';
import { densePath } from './paths.ts';
import { placesIn } from './places.ts';

/**
 * A run of the store as a source of weights, by their names in the checkpoint: packed linears are expanded to dense
 * f32 at each read, so nothing but what is asked for is ever in memory.
 */
export function storeWeights(run: Run, description: PrunableModel): WeightSource {
  const { has, placeOf, groupOf } = placesIn(run, description);
  const read = async (name: string, signal?: AbortSignal): Promise<Float32Array> => {
    const place = placeOf(name);
    const group = await groupOf(place);
    if (place.kind === 'outer') return readDenseF32(group, name, signal);
    const { linear } = place;
    if (linear !== undefined && linearAttributesOf(group, linear.name) !== undefined) {
      return readLinearF32(group, linear.name, signal);
    }
    return readDenseF32(group, densePath(name), signal);
  };

  /** A linear of the run whose values are bf16. */
  const storedBf16 = async (name: string) => {
    const place = placeOf(name);
    const linear = place.kind === 'outer' ? undefined : place.linear?.name;
    if (linear === undefined) return undefined;
    const group = await groupOf(place);
    const attributes = linearAttributesOf(group, linear);
    if (attributes === undefined || encodingOf(attributes).dtype(attributes) !== 'bf16') return undefined;
    return { group, linear };
  };

  return {
    has,
    shape: (name) => placeOf(name).shape,
    read,
    async bits(name, signal) {
      const stored = await storedBf16(name);
      if (stored === undefined) return undefined;
      const packed = await readLinear(stored.group, stored.linear, signal);
      const dense = await encodingOf(packed).unpack(packed);
      freeLinear(packed);
      return dense instanceof Uint16Array ? dense : undefined;
    },
    async packed(name, signal, memory) {
      const stored = await storedBf16(name);
      if (stored === undefined) return undefined;
      const linear = await readLinear(stored.group, stored.linear, signal, memory);
      if (!isPacked(linear)) return undefined;
      checkPackedLinear(linear);
      const { rows, cols, pattern, values, indices, permutation } = linear;
      return { rows, cols, ...pattern, values, indices, permutation };
    },
    async readRows(name, rows, signal) {
      const all = await read(name, signal);
      const width = placeOf(name).shape[1]!;
      const out = new Float32Array(rows.length * width);
      rows.forEach((row, i) => {
        out.set(all.subarray(row * width, (row + 1) * width), i * width);
      });
      return out;
    },
    async readRowRange(name, begin, end, signal) {
      const width = elementCount(placeOf(name).shape.slice(1));
      return (await read(name, signal)).subarray(begin * width, end * width);
    },
  };
}
