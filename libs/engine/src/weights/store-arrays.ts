import { EsparseError } from '@esparse/errors';
import type { CommittedGroup, Run } from '@esparse/store';
import type { ArrayGroup, ModelArrays } from './model-arrays.ts';

/** Where the arrays of a run can be mapped from: the store itself, or a local cache of it. */
export interface ArraySource {
  /**
   * A local file that begins with the elements of an array.
   *
   * @param folder of the group in the run, such as 'blocks/3' or 'dense'
   */
  file(group: CommittedGroup, folder: string, array: string): Promise<string>;
  /** Ends the use of the files. */
  close(): Promise<void>;
}

/** The arrays of a run. */
export function storeArrays(run: Run, source: ArraySource): ModelArrays {
  const groupOf = (group: CommittedGroup, folder: string): ArrayGroup => ({
    name: folder,
    arrays: group.arrays,
    groupAttributes: (path) => group.groupAttributes(path),
    locate: async (array) => ({ file: await source.file(group, folder, array), offset: 0 }),
  });
  return {
    dense: async () => groupOf(await run.dense(), 'dense'),
    block: async (k) => groupOf(await run.block(k), `blocks/${k}`),
    close: () => source.close(),
  };
}

/** Maps the files of the store itself. */
export function directSource(): ArraySource {
  return {
    file(group, _folder, array) {
      const file = group.chunkFile?.(array);
      if (file !== undefined) return Promise.resolve(file);
      throw new EsparseError('usage', 'this store is not on a local file system', {
        hint: 'name a local cache directory',
      });
    },
    close: () => Promise.resolve(),
  };
}
