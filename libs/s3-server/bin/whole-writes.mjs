/**
 * s3rver answers a put before all of it is in its file, and shows what is there meanwhile; content and metadata are files
 * that it reads one after the other. S3 shows an object whole or not at all: here it is written beside, and takes its place
 * once it is whole, content and metadata in one step, while nobody reads, removes or lists anything of its bucket.
 */
import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import fs from 'node:fs/promises';
import path from 'node:path';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { serialByKey } from './serial-by-key.mjs';

/** How often a list is tried: it walks through open uploads, too, and those that end take their files from under it. */
const LIST_TRIES = 100;

/** Makes the writes of a store of s3rver whole. */
export function makeWritesWhole(store, directory) {
  /** The store as s3rver made it: within a task, what it calls of itself must not wait for another task. */
  const plain = Object.assign(Object.create(Object.getPrototypeOf(store)), store);
  /** One task of a bucket at a time, and not of a key: a removal takes the empty folder, into which another key is being put. */
  const serial = serialByKey();

  let writes = 0;
  const writeBeside = async (content) => {
    // Beside the buckets: a list walks through all that is in one.
    const beside = path.join(directory, `._S3rver_writing_${process.pid}_${writes++}`);
    const md5 = createHash('md5');
    let size = 0;
    const measure = new Transform({
      transform(chunk, _encoding, done) {
        md5.update(chunk);
        size += chunk.length;
        done(null, chunk);
      },
    });
    try {
      const source = Buffer.isBuffer(content) ? Readable.from([content], { objectMode: false }) : content;
      await pipeline(source, measure, createWriteStream(beside));
    } catch (error) {
      await fs.rm(beside, { force: true });
      throw error;
    }
    return { beside, written: { size, md5: md5.digest('hex') } };
  };
  const putAt = async (place, beside) => {
    await fs.mkdir(path.dirname(place), { recursive: true });
    await fs.rename(beside, place);
  };

  store.putObject = async ({ bucket, key, content, metadata }) => {
    const { beside, written } = await writeBeside(content);
    await serial(bucket, async () => {
      await putAt(store.getResourcePath(bucket, key, 'object'), beside);
      await plain.putMetadata(bucket, key, metadata, written.md5);
    });
    return written;
  };
  store.putPart = async (bucket, uploadId, partNumber, content) => {
    const { beside, written } = await writeBeside(content);
    const uploads = store.getResourcePath(bucket, undefined, 'uploads');
    const place = path.join(uploads, uploadId, String(partNumber));
    await putAt(place, beside);
    await fs.writeFile(`${place}.md5`, written.md5);
    return written;
  };
  // What is read is open when the task ends: a file that is replaced stays what it was for those who have it open.
  for (const name of ['getMetadata', 'getObject', 'deleteObject']) {
    store[name] = (bucket, ...rest) => serial(bucket, () => plain[name](bucket, ...rest));
  }
  store.listObjects = async (bucket, options) => {
    for (let tries = 1; ; tries++) {
      try {
        return await serial(bucket, () => plain.listObjects(bucket, options));
      } catch (error) {
        if (error.code !== 'ENOENT' || tries === LIST_TRIES) throw error;
      }
    }
  };
}
