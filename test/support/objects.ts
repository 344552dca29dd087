import { createHash } from 'node:crypto';
import { openObjects } from '@esparse/storage';

/** Every object of a store with its digest, by the keys that it has in a folder. */
export async function objectsOf(store: string): Promise<Record<string, string>> {
  const objects = await openObjects(store);
  const found: Record<string, string> = {};
  for await (const key of objects.list('')) {
    found[key] = createHash('sha256')
      .update((await objects.get(key))!)
      .digest('hex');
  }
  return found;
}
