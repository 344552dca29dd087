import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  ListMultipartUploadsCommand,
  ListPartsCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import type { Connection } from './connect.ts';
import { isCode } from './errors.ts';
import { PART_BYTES, PARTS_IN_FLIGHT } from './limits.ts';
import { partsOf } from './parts.ts';

/** Where requests of a bucket go. */
export interface Site extends Connection {
  readonly bucket: string;
}

/**
 * Puts a large object in parts, several at a time: it is there as a whole when the last request is answered, and not at
 * all before. The memory of `pieces` is sent as it is. On failure the upload is ended, so that nothing is left of it.
 */
export async function putInParts(
  site: Site,
  key: string,
  pieces: readonly Uint8Array[],
  signal?: AbortSignal,
): Promise<void> {
  try {
    await uploadOnce(site, key, pieces, signal);
  } catch (error) {
    // The answer to the last request was lost, and its repetition found the upload complete. Nobody else writes this key.
    if (!isCode(error, 'NoSuchUpload')) throw error;
    await uploadOnce(site, key, pieces, signal);
  }
}

async function uploadOnce(
  { client, gate, bucket: Bucket }: Site,
  Key: string,
  pieces: readonly Uint8Array[],
  signal?: AbortSignal,
): Promise<void> {
  const options = optionsOf(signal);
  const { UploadId } = await gate(() =>
    client.send(new CreateMultipartUploadCommand({ Bucket, Key }), options),
  );
  const upload = { Bucket, Key, UploadId };
  const Parts: { ETag: string | undefined; PartNumber: number }[] = [];
  const parts = partsOf(pieces, PART_BYTES);
  let failure: { readonly error: unknown } | undefined;
  const lane = async (): Promise<void> => {
    for (const Body of parts) {
      const PartNumber = Parts.push({ ETag: undefined, PartNumber: Parts.length + 1 });
      try {
        const command = new UploadPartCommand({ ...upload, PartNumber, Body });
        Parts[PartNumber - 1]!.ETag = (await gate(() => client.send(command, options))).ETag;
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
    await gate(() => client.send(command, options));
  } catch (error) {
    // As far as it goes: what is left then is ended by the next writer, see `openUploads`.
    await gate(() => client.send(new AbortMultipartUploadCommand(upload))).catch(() => undefined);
    throw error;
  }
}

/** A multipart upload that was begun, and neither completed nor ended: unseen, and paid for. */
export interface Upload {
  /** Of the object that it would make. */
  readonly key: string;
  /** Of the parts that have arrived; 0 where the server does not tell. */
  bytes(signal?: AbortSignal): Promise<number>;
  /** Ends it: its parts go. One that is gone already is no error. */
  abort(signal?: AbortSignal): Promise<void>;
}

/** The open uploads of keys that begin with a prefix; where a server cannot list them, none. */
export async function* openUploads(site: Site, prefix: string, signal?: AbortSignal): AsyncGenerator<Upload> {
  const { client, gate, bucket: Bucket } = site;
  let KeyMarker: string | undefined;
  let UploadIdMarker: string | undefined;
  do {
    const command = new ListMultipartUploadsCommand({ Bucket, Prefix: prefix, KeyMarker, UploadIdMarker });
    const page = await gate(() => client.send(command, optionsOf(signal))).catch(unlessUntold);
    if (page === undefined) return;
    for (const { Key = '', UploadId } of page.Uploads ?? []) {
      const upload = { Bucket, Key, UploadId };
      yield {
        key: Key,
        bytes: (abort) => bytesOf(site, upload, abort),
        abort: (abort) => abortUpload(site, upload, abort),
      };
    }
    KeyMarker = page.IsTruncated === true ? page.NextKeyMarker : undefined;
    UploadIdMarker = page.NextUploadIdMarker;
  } while (KeyMarker !== undefined);
}

/** How S3 names an upload. */
interface UploadName {
  readonly Bucket: string;
  readonly Key: string;
  readonly UploadId: string | undefined;
}

async function bytesOf({ client, gate }: Site, upload: UploadName, signal?: AbortSignal): Promise<number> {
  let bytes = 0;
  let PartNumberMarker: string | undefined;
  do {
    const command = new ListPartsCommand({ ...upload, PartNumberMarker });
    const page = await gate(() => client.send(command, optionsOf(signal))).catch(unlessUntold);
    if (page === undefined) return bytes;
    for (const { Size = 0 } of page.Parts ?? []) bytes += Size;
    PartNumberMarker = page.IsTruncated === true ? page.NextPartNumberMarker : undefined;
  } while (PartNumberMarker !== undefined);
  return bytes;
}

async function abortUpload({ client, gate }: Site, upload: UploadName, signal?: AbortSignal): Promise<void> {
  try {
    await gate(() => client.send(new AbortMultipartUploadCommand(upload), optionsOf(signal)));
  } catch (error) {
    if (!isCode(error, 'NoSuchUpload')) throw error;
  }
}

/** Servers that do not tell of uploads, or not us, cost the clean-up and nothing else. */
function unlessUntold(error: unknown): undefined {
  if (!isCode(error, 'NotImplemented', 'MethodNotAllowed', 'AccessDenied')) throw error;
}

function optionsOf(abortSignal: AbortSignal | undefined) {
  return abortSignal === undefined ? {} : { abortSignal };
}
