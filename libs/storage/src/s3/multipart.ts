import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  ListMultipartUploadsCommand,
  ListPartsCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { isCode, s3Error } from './errors.ts';
import { PART_BYTES, PARTS_IN_FLIGHT } from './limits.ts';
import { pagesOf } from './pages.ts';
import { partsOf } from '../parts.ts';
import { send, type BucketConnection } from './bucket-connection.ts';

/**
 * Puts a large object in parts, several at a time: it is there as a whole when the last request is answered, and not at
 * all before. The memory of `pieces` is sent as it is. On failure the upload is ended, so that nothing is left of it.
 */
export async function putInParts(
  connection: BucketConnection,
  key: string,
  pieces: readonly Uint8Array[],
  signal?: AbortSignal,
): Promise<void> {
  try {
    await uploadOnce(connection, key, pieces, signal);
  } catch (error) {
    // The answer to the last request was lost, and its repetition found the upload complete. Nobody else writes this key.
    if (!isCode(error, 'NoSuchUpload')) throw error;
    await uploadOnce(connection, key, pieces, signal);
  }
}

async function uploadOnce(
  connection: BucketConnection,
  Key: string,
  pieces: readonly Uint8Array[],
  signal?: AbortSignal,
): Promise<void> {
  const { bucket: Bucket } = connection;
  const { UploadId } = await send(connection, new CreateMultipartUploadCommand({ Bucket, Key }), signal);
  const upload = { Bucket, Key, UploadId };
  const Parts: { ETag: string | undefined; PartNumber: number }[] = [];
  const parts = partsOf(pieces, PART_BYTES);
  let failure: { readonly error: unknown } | undefined;
  const lane = async (): Promise<void> => {
    for (const Body of parts) {
      const PartNumber = Parts.push({ ETag: undefined, PartNumber: Parts.length + 1 });
      try {
        const command = new UploadPartCommand({ ...upload, PartNumber, Body });
        Parts[PartNumber - 1]!.ETag = (await send(connection, command, signal)).ETag;
      } catch (error) {
        failure ??= { error };
      }
      if (failure !== undefined) return;
    }
  };
  await Promise.all(Array.from({ length: PARTS_IN_FLIGHT }, lane));
  try {
    if (failure !== undefined) throw failure.error;
    const command = new CompleteMultipartUploadCommand({ ...upload, MultipartUpload: { Parts } });
    await send(connection, command, signal);
  } catch (error) {
    // As far as it goes: what is left then is ended by the next writer, see `openUploads`.
    await send(connection, new AbortMultipartUploadCommand(upload)).catch(() => undefined);
    throw error;
  }
}

/** A multipart upload that was begun, and neither completed nor ended: unseen, and paid for. */
export interface Upload {
  /** Of the object that it would make. */
  readonly key: string;
  /** Of the parts that have arrived; 0 where the server does not say. */
  bytes(signal?: AbortSignal): Promise<number>;
  /** Ends it and removes its parts. One that has ended already is no error. */
  abort(signal?: AbortSignal): Promise<void>;
}

/** The open uploads of keys that begin with a prefix; where a server cannot list them, none. */
export async function* openUploads(
  connection: BucketConnection,
  prefix: string,
  signal?: AbortSignal,
): AsyncGenerator<Upload> {
  const { bucket: Bucket } = connection;
  const pages = pagesOf(
    connection,
    `the uploads of s3://${Bucket}/${prefix}`,
    (mark: { KeyMarker: string; UploadIdMarker: string | undefined } | undefined) =>
      send(connection, new ListMultipartUploadsCommand({ Bucket, Prefix: prefix, ...mark }), signal)
        .catch(noneIfNotListed)
        .catch(failing(connection, 'list the uploads of', prefix)),
    (page) =>
      page?.IsTruncated === true && page.NextKeyMarker !== undefined
        ? { KeyMarker: page.NextKeyMarker, UploadIdMarker: page.NextUploadIdMarker }
        : undefined,
  );
  for await (const page of pages) {
    for (const { Key = '', UploadId } of page?.Uploads ?? []) {
      const upload = { Bucket, Key, UploadId };
      yield {
        key: Key,
        bytes: (abort) =>
          bytesOf(connection, upload, abort).catch(failing(connection, 'list the parts of', Key)),
        abort: (abort) =>
          abortUpload(connection, upload, abort).catch(failing(connection, 'end the upload of', Key)),
      };
    }
  }
}

/** How S3 names an upload. */
interface UploadName {
  readonly Bucket: string;
  readonly Key: string;
  readonly UploadId: string | undefined;
}

async function bytesOf(
  connection: BucketConnection,
  upload: UploadName,
  signal?: AbortSignal,
): Promise<number> {
  const pages = pagesOf(
    connection,
    `the parts of s3://${upload.Bucket}/${upload.Key}`,
    (PartNumberMarker: string | undefined) =>
      send(connection, new ListPartsCommand({ ...upload, PartNumberMarker }), signal).catch(noneIfNotListed),
    (page) => (page?.IsTruncated === true ? page.NextPartNumberMarker : undefined),
  );
  let bytes = 0;
  for await (const page of pages) for (const { Size = 0 } of page?.Parts ?? []) bytes += Size;
  return bytes;
}

async function abortUpload(
  connection: BucketConnection,
  upload: UploadName,
  signal?: AbortSignal,
): Promise<void> {
  try {
    await send(connection, new AbortMultipartUploadCommand(upload), signal);
  } catch (error) {
    if (!isCode(error, 'NoSuchUpload')) throw error;
  }
}

/** Servers that do not list uploads, or not for us, cost the clean-up and nothing else. */
function noneIfNotListed(error: unknown): undefined {
  if (!isCode(error, 'NotImplemented', 'MethodNotAllowed', 'AccessDenied')) throw error;
}

function failing(connection: BucketConnection, action: string, key: string) {
  return (error: unknown): never => {
    throw s3Error(action, key, connection, error);
  };
}
