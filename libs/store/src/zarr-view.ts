import type { AsyncReadable } from 'zarr';
import type { ObjectStore } from '@esparse/storage';

/**
 * The objects of a store as zarrita (the package `zarr`) reads them, for tools that want Zarr's own API. Mind that
 * zarrita 0.7 skips the checksums of chunks; `CommittedGroup.read` checks them, and is faster.
 *
 * @example
 * ```ts
 * const group = zarr.root(zarrView(store.objects)).resolve('runs/a1b2/blocks/0/q_proj/values');
 * const values = await zarr.open.v3(group, { kind: 'array' });
 * ```
 */
export function zarrView(objects: ObjectStore): Required<AsyncReadable> {
  return {
    get: (key, options) => objects.get(key.slice(1), options?.signal),
    async getRange(key, range, options) {
      const name = key.slice(1);
      if ('offset' in range) return objects.getRange(name, range.offset, range.length, options?.signal);
      const size = await objects.size(name);
      if (size === undefined) return undefined;
      const length = Math.min(size, range.suffixLength);
      return objects.getRange(name, size - length, length, options?.signal);
    },
  };
}
