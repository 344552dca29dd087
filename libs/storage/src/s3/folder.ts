import { EsparseError, isEsparseError } from '@esparse/errors';
import { formatLocation, type S3Location } from '../location.ts';
import { openBucket } from './bucket.ts';
import { isPlainName, type ByteFolder } from '../byte-source.ts';
import { remoteSource } from '../remote-source.ts';

/** The files below a prefix of a bucket. A file that is replaced after it was opened is an error at the next read. */
export function s3Folder(location: S3Location): ByteFolder {
  const bucket = openBucket(location);
  const where = formatLocation(location);
  return {
    location: where,
    async open(name) {
      if (!isPlainName(name)) {
        throw new EsparseError('checkpoint', `${where}: ${JSON.stringify(name)} is not a plain file name`);
      }
      const object = await bucket.open(name).catch(asCheckpoint);
      return (
        object &&
        remoteSource(`${where}/${name}`, {
          size: object.size,
          async readInto(offset, target, signal) {
            // What lies beyond its size is not asked for.
            await object.readInto(offset, target, signal).catch(asCheckpoint);
          },
        })
      );
    },
  };
}

/** What is wrong with an object is wrong with the checkpoint, here. */
function asCheckpoint(error: unknown): never {
  if (!isEsparseError(error) || error.kind !== 'store') throw error;
  throw new EsparseError('checkpoint', error.message, { hint: error.hint, cause: error });
}
