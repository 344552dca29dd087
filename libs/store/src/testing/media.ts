import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { startS3Server, type S3Server } from '@esparse/s3-server';
import { MemoryObjectStore, type ObjectStore, openObjects } from '@esparse/storage';

/** Makes an empty place for objects; the same place again, as another process sees it, by `again`. */
export interface Medium {
  readonly name: 'memory' | 'files' | 'S3';
  /** Opens an empty place. */
  make(): Promise<ObjectStore>;
  /** The same place, opened anew. */
  again(objects: ObjectStore): Promise<ObjectStore>;
}

/** States laws over every medium: objects in memory, files in a folder, and a bucket of an S3-compatible server. */
export function onEveryMedium(laws: (medium: Medium) => void): void {
  let folder = '';
  let server: S3Server | undefined;
  let made = 0;
  const environment = { ...process.env };
  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'esparse-media-'));
    server = await startS3Server();
    Object.assign(process.env, server.environment);
  });
  afterAll(async () => {
    process.env = environment;
    await Promise.all([server?.stop(), rm(folder, { recursive: true, force: true })]);
  });
  const media: Medium[] = [
    {
      name: 'memory',
      make: () => Promise.resolve(new MemoryObjectStore()),
      again: (objects) => Promise.resolve(objects),
    },
    {
      name: 'files',
      make: () => openObjects(path.join(folder, String(++made))),
      again: (objects) => openObjects(objects.describe()),
    },
    {
      name: 'S3',
      make: () => openObjects(`s3://${server!.bucket}/stores/${++made}`),
      again: (objects) => openObjects(objects.describe()),
    },
  ];
  describe.each(media)('$name:', laws);
}

/** Every object and its bytes in hexadecimal. */
export async function contentsOf(objects: ObjectStore): Promise<Map<string, string>> {
  const keys: string[] = [];
  for await (const key of objects.list('')) keys.push(key);
  const contents = new Map<string, string>();
  for (const key of keys.sort()) contents.set(key, Buffer.from((await objects.get(key))!).toString('hex'));
  return contents;
}
