/** A client of S3, and of what speaks like it: objects, ranges, multipart uploads, conditional writes. */
export { openBucket, type Bucket, type Inspected } from './bucket.ts';
export { honoursConditions } from './conditions.ts';
export type { Upload } from './multipart.ts';
export type { S3Object } from './read.ts';
