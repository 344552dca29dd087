import { realpath } from 'node:fs/promises';
import path from 'node:path';
import { EsparseError } from '@esparse/errors';

/** A folder of this machine, as it was written. */
export interface FolderLocation {
  readonly kind: 'folder';
  readonly path: string;
}

/** Everything below a prefix of a bucket. */
export interface S3Location {
  readonly kind: 's3';
  readonly bucket: string;
  /** Without slashes at its ends; '' for the whole bucket. */
  readonly prefix: string;
}

/** Everything below a path of an HTTP server. */
export interface HttpLocation {
  readonly kind: 'http';
  /** Its path ends with a slash. User and query are kept: they are credentials of every request. */
  readonly url: URL;
}

export type Location = FolderLocation | S3Location | HttpLocation;

/** Longest location that is taken: paths of systems end there, and requests of workers carry no longer one. */
const MAX_LENGTH = 4096;
/** Longest prefix in a bucket: keys have at most 1024 bytes, and those of a store need half of them. */
const MAX_PREFIX_BYTES = 512;

/** Names that every S3 accepts (https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html). */
const BUCKET = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;

/**
 * Reads a location: `s3://bucket/prefix`, `http://…` or `https://…`, and anything without a scheme as the path of a
 * folder. Two texts that name one place in a bucket or on a server have one form, see `formatLocation`.
 *
 * @throws EsparseError 'usage' for another scheme, and for URLs with `..`, empty parts or control characters
 */
export function parseLocation(text: string): Location {
  if (text.length > MAX_LENGTH) throw refused(text, `is longer than ${MAX_LENGTH} characters`);
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(text)?.[1];
  if (scheme === undefined) {
    if (/^(s3|https?):/i.test(text)) throw refused(text, 'has no // behind its scheme');
    return { kind: 'folder', path: text };
  }
  if (/[\p{Cc}\\]/u.test(text)) throw refused(text, 'has a backslash or a control character');
  if (scheme === 's3') return parseS3(text);
  if (scheme === 'https' || scheme === 'http') return parseHttp(text);
  throw refused(
    text,
    ['s3', 'http', 'https'].includes(scheme.toLowerCase())
      ? `begins with ${scheme}:// instead of ${scheme.toLowerCase()}://`
      : `begins with ${scheme}://, which is not known`,
  );
}

/** The text of a location, in its one form; a folder's as it was written. With the credentials that a URL holds. */
export function formatLocation(location: Location): string {
  if (location.kind === 'folder') return location.path;
  if (location.kind === 'http') return location.url.href;
  return `s3://${location.bucket}${location.prefix === '' ? '' : `/${location.prefix}`}`;
}

/** A location for people and logs: without user, password and query. Takes any text, also one that cannot be parsed. */
export function showLocation(location: Location | string): string {
  const text = typeof location === 'string' ? location : formatLocation(location);
  if (!/^(s3|https?):/i.test(text)) return text;
  // Up to the last @ before the path is the user's part; a query may hold a signature.
  const shown = text.replace(/^([^/]*\/\/)[^/?#]*@/, '$1');
  return /^https?:/i.test(text) ? shown.replace(/[?#].*$/s, '') : shown;
}

/**
 * A location as one process tells it to another: the real path of a folder, the one form of anything else.
 *
 * @throws the system's error where there is no such folder
 */
export async function resolveLocation(text: string): Promise<string> {
  const location = parseLocation(text);
  return location.kind === 'folder' ? realpath(location.path) : formatLocation(location);
}

/** Whether a location is a root or lies below it. Folders are compared as they are written: resolve them before. */
export function isWithin(root: Location, location: Location): boolean {
  if (root.kind === 'folder' && location.kind === 'folder') {
    const relative = path.relative(root.path, location.path);
    return relative === '' || (relative.split(path.sep)[0] !== '..' && !path.isAbsolute(relative));
  }
  if (root.kind === 's3' && location.kind === 's3') {
    const below = root.prefix === '' || `${location.prefix}/`.startsWith(`${root.prefix}/`);
    return root.bucket === location.bucket && below;
  }
  if (root.kind === 'http' && location.kind === 'http') {
    return root.url.origin === location.url.origin && location.url.pathname.startsWith(root.url.pathname);
  }
  return false;
}

/**
 * The name of what is there: the last part of its path, and of a file tree served as `…/NAME/resolve/REVISION` that
 * NAME. A bucket or server without a path has its own name.
 */
export function nameOfLocation(text: string): string {
  const location = parseLocation(text);
  if (location.kind === 'folder') return path.basename(path.resolve(location.path));
  if (location.kind === 's3') return path.posix.basename(location.prefix) || location.bucket;
  const parts = decodeURI(location.url.pathname).split('/').filter(Boolean);
  const name = parts.at(-2) === 'resolve' ? parts.at(-3) : parts.at(-1);
  return name ?? location.url.hostname;
}

function parseS3(text: string): S3Location {
  const [bucket = '', ...parts] = text.slice('s3://'.length).split('/');
  if (bucket === '') throw refused(text, 'names no bucket');
  if (!BUCKET.test(bucket)) throw refused(text, 'has no valid name of a bucket behind s3://');
  if (parts.at(-1) === '') parts.pop();
  if (parts.includes('')) throw refused(text, 'has an empty part');
  if (parts.includes('.') || parts.includes('..')) throw refused(text, 'has a part . or ..');
  const prefix = parts.join('/');
  if (Buffer.byteLength(prefix) > MAX_PREFIX_BYTES)
    throw refused(text, `has a prefix of more than ${MAX_PREFIX_BYTES} bytes`);
  return { kind: 's3', bucket, prefix };
}

function parseHttp(text: string): HttpLocation {
  // Before `URL` takes them away: what is written as one path must not mean another.
  const [written = ''] = text.replace(/^[^/]*\/\/[^/?#]*/, '').split(/[?#]/);
  const parts = written.replace(/\/$/, '').split('/').slice(1);
  if (parts.includes('')) throw refused(text, 'has an empty part');
  if (parts.some((part) => /^(\.|%2e){1,2}$/i.test(part))) throw refused(text, 'has a part . or ..');
  if (/%(2f|5c|[01][0-9a-f]|7f|00)/i.test(written))
    throw refused(text, 'has an encoded slash or control character');
  let url: URL;
  try {
    url = new URL(text);
    for (const part of [url.pathname, url.username, url.password]) decodeURIComponent(part);
  } catch {
    // The cause would repeat the text, credentials and all.
    throw refused(text, 'is no URL');
  }
  url.hash = '';
  if (!url.pathname.endsWith('/')) url.pathname += '/';
  return { kind: 'http', url };
}

function refused(text: string, fault: string): EsparseError {
  return new EsparseError('usage', `${showLocation(text.slice(0, 200))} ${fault}`, {
    hint: 'give a folder, s3://BUCKET/PREFIX or, for a checkpoint, https://HOST/PATH/',
  });
}
