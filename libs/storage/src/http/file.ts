import { EsparseError } from '@esparse/errors';
import type { ByteSource } from '../byte-source.ts';
import { withoutSecrets } from '../secrets.ts';
import type { Pace } from './pace.ts';
import { request, type HttpPlace } from './request.ts';
import { Broken, withTries } from './tries.ts';

/** A compressed answer has another size, other ranges and another version. */
const PLAIN = { 'accept-encoding': 'identity' };

/**
 * Opens a file of an HTTP server for reading by ranges; `undefined` where there is none. Its size and version (its ETag,
 * else its time) are asked for once, and every answer is compared with them: a file that is replaced is an error.
 *
 * @throws EsparseError 'store' for a server that does not answer ranges, whose answers would be whole files
 */
export async function openHttpFile(place: HttpPlace, signal?: AbortSignal): Promise<ByteSource | undefined> {
  const shown = withoutSecrets(place.url.href);
  const opened = await withTries(shown, signal, () =>
    request(place, { method: 'HEAD', headers: PLAIN }, signal, (answer) => {
      if (answer.status === 404 || answer.status === 410) return Promise.resolve(undefined);
      if (answer.status !== 200) throw refused(place, answer);
      const length = answer.headers.get('content-length');
      if (length === null || !/^\d{1,15}$/.test(length)) {
        throw new EsparseError('store', `${shown}: the server does not tell its size`, {
          hint: 'use a server that answers HEAD with Content-Length, or copy the checkpoint to a folder',
        });
      }
      return Promise.resolve({ size: Number(length), version: versionOf(answer) });
    }),
  );
  return opened && httpFile(place, { ...opened, isPinned: false });
}

/** What is known of a file before it is read. */
export interface KnownFile {
  readonly size: number;
  /** See `versionOf`. */
  readonly version: string | undefined;
  /** Whether its address always means the same bytes: its version is not compared then. */
  readonly isPinned: boolean;
}

/** A file whose size is known; every answer is compared with it. */
export function httpFile(place: HttpPlace, known: KnownFile): ByteSource {
  const { size } = known;
  const shown = withoutSecrets(place.url.href);
  return {
    size,
    async readInto(offset, target, abort) {
      if (offset + target.byteLength > size) return false;
      const progress = { done: 0 };
      const read = () => readPart(place, { ...known, offset }, target, progress, abort);
      await withTries(shown, abort, read, place.refusal);
      return true;
    },
    // Each read is a request of its own: nothing stays open between them.
    close: () => Promise.resolve(),
  };
}

/** One version of a file, and where in it a read begins. */
interface Part extends KnownFile {
  readonly offset: number;
}

/** Fills memory with a part of a file, from where `progress` has come to. */
async function readPart(
  place: HttpPlace,
  { offset, ...known }: Part,
  target: Uint8Array,
  progress: { done: number },
  signal: AbortSignal | undefined,
): Promise<void> {
  if (progress.done === target.byteLength) return;
  const shown = withoutSecrets(place.url.href);
  const begin = offset + progress.done;
  const end = offset + target.byteLength - 1;
  const headers = { ...PLAIN, range: `bytes=${begin}-${end}` };
  await request(place, { method: 'GET', headers }, signal, async (answer, pace) => {
    checkRange(place, answer, { ...known, begin, end });
    await fill(shown, answer, target, progress, pace);
  });
}

/** Whether an answer is what was asked for: that range, of that version, as it is stored. */
function checkRange(
  place: HttpPlace,
  answer: Response,
  asked: KnownFile & { readonly begin: number; readonly end: number },
): void {
  const { size, version, isPinned, begin, end } = asked;
  const shown = withoutSecrets(place.url.href);
  if (answer.status === 200) {
    throw new EsparseError('store', `${shown}: the server does not answer ranges, only whole files`, {
      hint: 'use a server that does, or copy the checkpoint to a folder',
    });
  }
  if (answer.status === 404 || answer.status === 412 || answer.status === 416) throw replaced(shown);
  if (answer.status !== 206) throw refused(place, answer);
  const range = answer.headers.get('content-range');
  const isOther = !isPinned && versionOf(answer) !== version;
  if (range?.endsWith(`/${size}`) === false || isOther) throw replaced(shown);
  const encoding = answer.headers.get('content-encoding') ?? 'identity';
  if (range === `bytes ${begin}-${end}/${size}` && encoding === 'identity') return;
  throw new EsparseError(
    'store',
    `${shown}: the server answers ${range ?? 'no range'} where bytes ${begin} to ${end} were asked for`,
  );
}

/** Reads the body of an answer into memory, from `progress.done` on. */
async function fill(
  shown: string,
  { body }: Response,
  target: Uint8Array,
  progress: { done: number },
  pace: Pace,
): Promise<void> {
  for await (const chunk of (body ?? []) as AsyncIterable<Uint8Array>) {
    pace.received(chunk.byteLength);
    if (progress.done + chunk.byteLength > target.byteLength) {
      throw new EsparseError('store', `${shown}: the server sends more than it said`);
    }
    target.set(chunk, progress.done);
    progress.done += chunk.byteLength;
  }
  if (progress.done < target.byteLength) throw new Broken('the answer ended early');
}

/** The version of a file, as far as its headers say: the ETag, else the time of its last change. */
function versionOf({ headers }: Response): string | undefined {
  return headers.get('etag') ?? headers.get('last-modified') ?? undefined;
}

function refused({ url, refusal }: HttpPlace, answer: Response): EsparseError {
  if (refusal !== undefined) return refusal(answer);
  const { status } = answer;
  const shown = withoutSecrets(url.href);
  const denied = status === 401 || status === 403;
  return new EsparseError(
    denied ? 'denied' : 'store',
    `${shown} cannot be read: the server answered ${status}`,
    {
      hint: denied
        ? 'give credentials in the address: https://USER:PASSWORD@HOST/PATH/, or its query'
        : 'check the address',
    },
  );
}

function replaced(shown: string): EsparseError {
  return new EsparseError('store', `${shown} was replaced while it was read`, {
    hint: 'start again: a checkpoint must not change while it is used',
  });
}
