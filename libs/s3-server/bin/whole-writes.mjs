/**
 * s3rver answers a put before all of it is in its file, and shows what is there meanwhile. S3 shows an object whole or not
 * at all: here it is written beside, and takes its place once it is whole.
 */
import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import fs from 'node:fs/promises';
import path from 'node:path';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';

/** Makes the writes of a store of s3rver whole. */
export function makeWritesWhole(store, directory) {
  let writes = 0;
  const write = async (bucket, place, content) => {
    const beside = path.join(directory, bucket, `._S3rver_writing_${process.pid}_${writes++}`);
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
      await fs.mkdir(path.dirname(place), { recursive: true });
      await fs.rename(beside, place);
    } finally {
      await fs.rm(beside, { force: true });
    }
    return { size, md5: md5.digest('hex') };
  };

  store.putObject = async ({ bucket, key, content, metadata }) => {
    const written = await write(bucket, store.getResourcePath(bucket, key, 'object'), content);
    await store.putMetadata(bucket, key, metadata, written.md5);
    return written;
  };
  store.putPart = async (bucket, uploadId, partNumber, content) => {
    const uploads = store.getResourcePath(bucket, undefined, 'uploads');
    const place = path.join(uploads, uploadId, String(partNumber));
    const written = await write(bucket, place, content);
    await fs.writeFile(`${place}.md5`, written.md5);
    return written;
  };
}
