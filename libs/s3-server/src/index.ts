/** For tests: an S3-compatible server in a process of its own. */
export { startS3Server, type S3Fault, type S3Server, type S3ServerOptions } from './s3-server.ts';
