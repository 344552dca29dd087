import type { ObjectStore } from '@esparse/storage';

/** Puts a small object that is not there yet; where the store can tell, one that came meanwhile is not replaced. */
export async function putNew(store: ObjectStore, key: string, document: Uint8Array): Promise<void> {
  if (store.putIf !== undefined) await store.putIf(key, document, undefined);
  else await store.put(key, [document], { durable: true });
}
