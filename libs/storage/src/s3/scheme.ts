import path from 'node:path';
import type { Location, Refuse, Scheme } from '../scheme.ts';
import { withoutUser } from '../secrets.ts';

/** Everything below a prefix of a bucket. */
export interface S3Place {
  readonly bucket: string;
  /** Without slashes at its ends; '' for the whole bucket. */
  readonly prefix: string;
}

/** Longest prefix in a bucket: keys have at most 1024 bytes, and those of a store need half of them. */
const MAX_PREFIX_BYTES = 512;

/** Names that every S3 accepts (https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html). */
const BUCKET = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;

/** What is below a prefix of a bucket, on S3 or what speaks like it; credentials are in the environment. */
export const s3Scheme: Scheme = {
  name: 's3',
  prefixes: ['s3'],
  form: 's3://BUCKET/PREFIX',
  writable: true,
  parse: (text, refuse) => locationOf(parseS3(text, refuse)),
  show: withoutUser,
};

function locationOf(place: S3Place): Location {
  const text = textOf(place);
  const location: Location = {
    scheme: s3Scheme.name,
    text,
    name: path.posix.basename(place.prefix) || place.bucket,
    absolute: true,
    contains: (other) => other.scheme === s3Scheme.name && `${other.text}/`.startsWith(`${text}/`),
    resolve: () => Promise.resolve(location),
    // Loaded when they are wanted: a user of folders does not wait for an SDK.
    openFolder: async () => (await import('./folder.ts')).s3Folder(place),
    openObjects: async () => (await import('./object-store.ts')).s3ObjectStore(place),
  };
  return location;
}

/** The text of a place in its one form. */
export function textOf({ bucket, prefix }: S3Place): string {
  return `s3://${bucket}${prefix === '' ? '' : `/${prefix}`}`;
}

/** Understands `s3://bucket/prefix`. */
export function parseS3(text: string, refuse: Refuse): S3Place {
  const [bucket = '', ...parts] = text.slice('s3://'.length).split('/');
  if (bucket === '') return refuse('names no bucket');
  if (!BUCKET.test(bucket)) return refuse('has no valid name of a bucket behind s3://');
  if (parts.at(-1) === '') parts.pop();
  if (parts.includes('')) return refuse('has an empty part');
  if (parts.includes('.') || parts.includes('..')) return refuse('has a part . or ..');
  const prefix = parts.join('/');
  if (Buffer.byteLength(prefix) > MAX_PREFIX_BYTES) {
    return refuse(`has a prefix of more than ${MAX_PREFIX_BYTES} bytes`);
  }
  return { bucket, prefix };
}
