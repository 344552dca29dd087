import type { AsyncReadable } from 'zarr';
import type { ObjectStore } from '@esparse/storage';

/** The objects of a store as zarrita (the package `zarr`), a reader that is not ours, reads them. */
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
