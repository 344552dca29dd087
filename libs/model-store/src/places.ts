import { EsparseError } from '@esparse/errors';
import { linearsOf, tensorsOfBlock, type LinearSpec, type PrunableModel } from '@esparse/model';
import type { CommittedGroup, Run } from '@esparse/store';

/** Where a tensor of the model stands in the store. */
export type Place =
  | { readonly kind: 'outer'; readonly shape: readonly number[] }
  | {
      readonly kind: 'block';
      readonly shape: readonly number[];
      readonly block: number;
      readonly linear?: LinearSpec;
    };

/** The tensors of a run by their names in the checkpoint, and the groups that hold them. */
export interface RunPlaces {
  has(name: string): boolean;
  /** @throws EsparseError 'store' where the model has no such tensor */
  placeOf(name: string): Place;
  /** The group that holds it: its manifest, not its arrays, so that all of them can be kept. */
  groupOf(place: Place): Promise<CommittedGroup>;
}

/** Finds the tensors of a run. */
export function placesIn(run: Run, description: PrunableModel): RunPlaces {
  const places = placesOf(description);
  const groups = new Map<number | 'dense', Promise<CommittedGroup>>();
  return {
    has: (name) => places.has(name),
    placeOf(name) {
      const place = places.get(name);
      if (place === undefined) throw new EsparseError('store', `tensor ${name} is not in the model`);
      return place;
    },
    groupOf(place) {
      const key = place.kind === 'outer' ? 'dense' : place.block;
      let group = groups.get(key);
      if (group === undefined) {
        group = key === 'dense' ? run.dense() : run.block(key);
        groups.set(key, group);
      }
      return group;
    },
  };
}

function placesOf(description: PrunableModel): ReadonlyMap<string, Place> {
  const places = new Map<string, Place>();
  for (const { name, shape } of description.outerTensors) places.set(name, { kind: 'outer', shape });
  for (let block = 0; block < description.blocks; block++) {
    for (const { name, shape } of tensorsOfBlock(description, block))
      places.set(name, { kind: 'block', shape, block });
    for (const linear of linearsOf(description, block)) {
      const name = linear.weight(block);
      places.set(name, { kind: 'block', shape: [linear.rows, linear.cols], block, linear });
    }
  }
  return places;
}
