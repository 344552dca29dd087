import type { ByteFolder } from '../byte-source.ts';
import { inParts } from '../in-parts.ts';
import { openBucket } from './bucket.ts';
import { textOf, type S3Place } from './scheme.ts';

/** The files below a prefix of a bucket. A file that is replaced after it was opened is an error at the next read. */
export function s3Folder(place: S3Place): ByteFolder {
  const bucket = openBucket(place);
  return {
    location: textOf(place),
    async open(name, signal) {
      const object = await bucket.open(name, signal);
      return object && inParts(object);
    },
  };
}
