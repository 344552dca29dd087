import type { ObjectStore, PutOptions } from '@esparse/storage';

/** A store whose process dies at its n-th change; what its medium then holds is what another process finds. */
export interface FailingObjectStore extends ObjectStore {
  /** Changes made so far: puts, deletions and flushes. */
  readonly changes: number;
}

/**
 * Objects of a process that dies at its n-th change: that change happens or does not (`happens`), and no call works any
 * more. It takes no lock, which a process that dies would leave behind.
 */
export function failing(objects: ObjectStore, failAt: number, happens: boolean): FailingObjectStore {
  let changes = 0;
  const change = async (make: () => Promise<void>): Promise<void> => {
    changes++;
    if (changes < failAt) return make();
    if (changes === failAt && happens) await make();
    throw new Error('the process died');
  };
  return {
    get changes() {
      return changes;
    },
    get: (key, signal) => objects.get(key, signal),
    getRange: (key, offset, length, signal) => objects.getRange(key, offset, length, signal),
    size: (key) => objects.size(key),
    list: (folder) => objects.list(folder),
    children: (folder) => objects.children(folder),
    describe: () => objects.describe(),
    put: (key: string, parts: readonly Uint8Array[], options?: PutOptions) =>
      change(() => objects.put(key, parts, options)),
    delete: (key) => change(() => objects.delete(key)),
    deletePrefix: (folder) => change(() => objects.deletePrefix(folder)),
    sync: (folders) => change(() => objects.sync(folders)),
  };
}
