import { ListObjectsV2Command, type ListObjectsV2CommandOutput } from '@aws-sdk/client-s3';
import { s3Error } from './errors.ts';
import { pagesOf } from './pages.ts';
import { send, type BucketConnection } from './bucket-connection.ts';

/** What one page of a list is asked for beside its prefix. */
export interface ListOptions {
  readonly MaxKeys?: number;
  readonly Delimiter?: string;
  readonly ContinuationToken?: string | undefined;
}

/** One page of the keys that begin with a prefix. */
export async function listPage(
  connection: BucketConnection,
  prefix: string,
  options: ListOptions,
  signal?: AbortSignal,
): Promise<ListObjectsV2CommandOutput> {
  try {
    const input = { Bucket: connection.bucket, Prefix: prefix, ...options };
    return await send(connection, new ListObjectsV2Command(input), signal);
  } catch (error) {
    throw s3Error('list', prefix, connection, error);
  }
}

function pages(
  connection: BucketConnection,
  prefix: string,
  options: ListOptions,
  signal?: AbortSignal,
): AsyncGenerator<ListObjectsV2CommandOutput> {
  return pagesOf(
    connection,
    `s3://${connection.bucket}/${prefix}`,
    (ContinuationToken: string | undefined) =>
      listPage(connection, prefix, { ...options, ContinuationToken }, signal),
    ({ IsTruncated, NextContinuationToken }) => (IsTruncated === true ? NextContinuationToken : undefined),
  );
}

/** Every key that begins with a prefix, a page of up to 1000 at a time. */
export async function* listKeys(
  connection: BucketConnection,
  prefix: string,
  signal?: AbortSignal,
): AsyncGenerator<string[]> {
  for await (const { Contents = [] } of pages(connection, prefix, {}, signal)) {
    yield Contents.map((object) => object.Key ?? '');
  }
}

/** The names behind a prefix up to the next slash, once each. */
export async function listNames(
  connection: BucketConnection,
  prefix: string,
  signal?: AbortSignal,
): Promise<string[]> {
  const names = new Set<string>();
  for await (const page of pages(connection, prefix, { Delimiter: '/' }, signal)) {
    for (const { Key = '' } of page.Contents ?? []) names.add(Key.slice(prefix.length));
    for (const { Prefix = '' } of page.CommonPrefixes ?? []) names.add(Prefix.slice(prefix.length, -1));
  }
  // Consoles show folders by empty objects whose keys end with a slash.
  names.delete('');
  return [...names];
}
