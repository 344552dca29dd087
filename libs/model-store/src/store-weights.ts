import type { WeightSource } from '@esparse/checkpoint';
import { EsparseError } from '@esparse/errors';
import { tensorsOfBlock, type LinearSpec, type ModelDescription } from '@esparse/model';
import type { CommittedGroup, Run } from '@esparse/store';
import { readDenseF32 } from './dense.ts';
import { linearAttributesOf, readLinearF32 } from './linears.ts';
import { densePath } from './paths.ts';

/** Where a tensor of the model stands in the store. */
type Place =
  | { readonly kind: 'outer'; readonly shape: readonly number[] }
  | {
      readonly kind: 'block';
      readonly shape: readonly number[];
      readonly block: number;
      readonly linear?: LinearSpec;
    };

/**
 * A run of the store as a source of weights, by their names in the checkpoint: packed linears are expanded to dense
 * f32 at each read, so nothing but what is asked for is ever in memory.
 */
export function storeWeights(run: Run, description: ModelDescription): WeightSource {
  const places = placesOf(description);
  const groups = new Map<number | 'dense', Promise<CommittedGroup>>();

  const placeOf = (name: string): Place => {
    const place = places.get(name);
    if (place === undefined) throw new EsparseError('store', `tensor ${name} is not in the model`);
    return place;
  };
  // A group is its manifest, not its arrays: a few kilobytes a block.
  const groupOf = (place: Place): Promise<CommittedGroup> => {
    const key = place.kind === 'outer' ? 'dense' : place.block;
    let group = groups.get(key);
    if (group === undefined) {
      group = key === 'dense' ? run.dense() : run.block(key);
      groups.set(key, group);
    }
    return group;
  };
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

  return {
    has: (name) => places.has(name),
    shape: (name) => placeOf(name).shape,
    read,
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
      const width = placeOf(name)
        .shape.slice(1)
        .reduce((product, size) => product * size, 1);
      return (await read(name, signal)).subarray(begin * width, end * width);
    },
  };
}

function placesOf(description: ModelDescription): ReadonlyMap<string, Place> {
  const places = new Map<string, Place>();
  for (const { name, shape } of description.outerTensors) places.set(name, { kind: 'outer', shape });
  for (let block = 0; block < description.blocks; block++) {
    for (const { name, shape } of tensorsOfBlock(description, block))
      places.set(name, { kind: 'block', shape, block });
    for (const linear of description.linears) {
      const name = linear.weight(block);
      places.set(name, { kind: 'block', shape: [linear.rows, linear.cols], block, linear });
    }
  }
  return places;
}
