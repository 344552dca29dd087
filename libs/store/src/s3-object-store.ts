import { EsparseError } from '@esparse/errors';
import { showLocation, type S3Location } from '@esparse/location';
import type { ObjectStore } from './object-store.ts';

/** Objects below a prefix of a bucket. */
export function s3ObjectStore(location: S3Location): ObjectStore {
  throw new EsparseError('unsupported', `${showLocation(location)}: stores in buckets are not there yet`);
}
