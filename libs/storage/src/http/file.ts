import { setTimeout as pause } from 'node:timers/promises';
import { EsparseError, isEsparseError } from '@esparse/errors';
import { withoutSecrets } from '../secrets.ts';
import { throwIfCancelled } from '../cancel.ts';
import type { ByteSource } from '../byte-source.ts';

/** Tries of a request that fails by the server's or the network's fault; a body goes on from where it broke off. */
const ATTEMPTS = 6;
/** The first pause between two tries; it doubles. */
const PAUSE_MS = 100;
/** The longest pause that a server may ask for (Retry-After). */
const MAX_PAUSE_MS = 20_000;
/** How long a server may be silent. */
const SILENCE_MS = 60_000;
/** Redirections followed for one request: public model hubs make one or two. */
const MAX_REDIRECTS = 5;

/** Answers of a server that may do better next time. */
const BUSY = new Set([408, 425, 429, 500, 502, 503, 504]);
const REDIRECT = new Set([301, 302, 303, 307, 308]);

/** A compressed answer has another size, other ranges and another version. */
const PLAIN = { 'accept-encoding': 'identity' };

/** Where a file is, and what goes with every request to that server. */
export interface HttpPlace {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
}

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
      if (answer.status !== 200) throw refused(shown, answer);
      const length = answer.headers.get('content-length');
      if (length === null || !/^\d{1,15}$/.test(length)) {
        throw new EsparseError('store', `${shown}: the server does not tell its size`, {
          hint: 'use a server that answers HEAD with Content-Length, or copy the checkpoint to a folder',
        });
      }
      return Promise.resolve({ size: Number(length), version: versionOf(answer) });
    }),
  );
  if (opened === undefined) return undefined;
  const { size, version } = opened;
  return {
    size,
    async readInto(offset, target, abort) {
      if (offset + target.byteLength > size) return false;
      const progress = { done: 0 };
      await withTries(shown, abort, () =>
        readPart(place, { size, version, offset }, target, progress, abort),
      );
      return true;
    },
    // Each read is a request of its own: nothing stays open between them.
    close: () => Promise.resolve(),
  };
}

interface Version {
  readonly size: number;
  readonly version: string | undefined;
  readonly offset: number;
}

async function readPart(
  place: HttpPlace,
  { size, version, offset }: Version,
  target: Uint8Array,
  progress: { done: number },
  signal: AbortSignal | undefined,
): Promise<void> {
  if (progress.done === target.byteLength) return;
  const shown = withoutSecrets(place.url.href);
  const begin = offset + progress.done;
  const end = offset + target.byteLength - 1;
  const headers = { ...PLAIN, range: `bytes=${begin}-${end}` };
  await request(place, { method: 'GET', headers }, signal, async (answer, silence) => {
    if (answer.status === 200) {
      throw new EsparseError('store', `${shown}: the server does not answer ranges, only whole files`, {
        hint: 'use a server that does, or copy the checkpoint to a folder',
      });
    }
    if (answer.status === 404 || answer.status === 412 || answer.status === 416) throw replaced(shown);
    if (answer.status !== 206) throw refused(shown, answer);
    const range = answer.headers.get('content-range');
    if (range?.endsWith(`/${size}`) === false || versionOf(answer) !== version) throw replaced(shown);
    if (
      range !== `bytes ${begin}-${end}/${size}` ||
      (answer.headers.get('content-encoding') ?? 'identity') !== 'identity'
    ) {
      throw new EsparseError(
        'store',
        `${shown}: the server answers ${range ?? 'no range'} where bytes ${begin} to ${end} were asked for`,
      );
    }
    for await (const chunk of (answer.body ?? []) as AsyncIterable<Uint8Array>) {
      silence.reset();
      if (progress.done + chunk.byteLength > target.byteLength) {
        throw new EsparseError('store', `${shown}: the server sends more than it said`);
      }
      target.set(chunk, progress.done);
      progress.done += chunk.byteLength;
    }
    if (progress.done < target.byteLength) throw new Broken('the answer ended early');
  });
}

/** A failure that another try may not meet. */
class Broken extends Error {
  readonly pauseMs: number | undefined;
  constructor(message: string, options: { cause?: unknown; pauseMs?: number | undefined } = {}) {
    super(message, { cause: options.cause });
    this.pauseMs = options.pauseMs;
  }
}

async function withTries<T>(
  shown: string,
  signal: AbortSignal | undefined,
  work: () => Promise<T>,
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    throwIfCancelled(signal, `reading ${shown}`);
    try {
      return await work();
    } catch (error) {
      throwIfCancelled(signal, `reading ${shown}`);
      if (!(error instanceof Broken)) throw error;
      if (attempt >= ATTEMPTS) {
        throw new EsparseError(
          'unavailable',
          `${shown} cannot be read: ${error.message}, ${attempts(attempt)}`,
          {
            hint: 'check the address and the network, then run again',
            cause: error.cause,
          },
        );
      }
      const ms = Math.min(error.pauseMs ?? PAUSE_MS * 2 ** (attempt - 1), MAX_PAUSE_MS);
      await pause(ms, undefined, signal === undefined ? {} : { signal }).catch(() => undefined);
    }
  }
}

const attempts = (count: number): string => `${count} times`;

/** Restarts the time that a server may be silent. */
interface Silence {
  reset(): void;
}

/** One request, its redirections followed, and what becomes of its answer; the rest of the answer is not read. */
async function request<T>(
  { url, headers }: HttpPlace,
  init: { readonly method: string; readonly headers?: Readonly<Record<string, string>> },
  signal: AbortSignal | undefined,
  use: (answer: Response, silence: Silence) => Promise<T>,
): Promise<T> {
  const ending = new AbortController();
  const end = (): void => {
    ending.abort();
  };
  let timer = setTimeout(end, SILENCE_MS);
  const silence = {
    reset() {
      clearTimeout(timer);
      timer = setTimeout(end, SILENCE_MS);
    },
  };
  signal?.addEventListener('abort', end);
  try {
    let target = url;
    for (let redirects = 0; ; redirects++) {
      const sent = { ...init.headers, ...(target.origin === url.origin && headers) };
      const answer = await fetch(target, {
        ...init,
        headers: sent,
        redirect: 'manual',
        signal: ending.signal,
      });
      silence.reset();
      const next = REDIRECT.has(answer.status) ? answer.headers.get('location') : null;
      if (next === null) {
        if (BUSY.has(answer.status))
          throw new Broken(`the server answered ${answer.status}`, { pauseMs: retryAfter(answer) });
        return await use(answer, silence);
      }
      target = follow(url, target, next, redirects);
    }
  } catch (error) {
    if (isEsparseError(error) || error instanceof Broken) throw error;
    throw new Broken(reasonOf(error), { cause: error });
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', end);
    // What is left of the answer.
    ending.abort();
  }
}

/** Where a redirection leads, if it may lead there. */
function follow(first: URL, from: URL, location: string, redirects: number): URL {
  const shown = withoutSecrets(first.href);
  if (redirects >= MAX_REDIRECTS) {
    throw new EsparseError('store', `${shown} is redirected more than ${MAX_REDIRECTS} times`);
  }
  const to = URL.canParse(location, from.href) ? new URL(location, from) : undefined;
  if (to?.protocol === 'https:' || (to?.protocol === 'http:' && first.protocol === 'http:')) return to;
  throw new EsparseError('store', `${shown} is redirected to where it must not be read from`, {
    hint: 'a redirection leads to https://, or from http:// to http://',
  });
}

/** The version of a file, as far as its headers say: the ETag, else the time of its last change. */
function versionOf({ headers }: Response): string | undefined {
  return headers.get('etag') ?? headers.get('last-modified') ?? undefined;
}

function retryAfter({ headers }: Response): number | undefined {
  const seconds = headers.get('retry-after');
  return seconds !== null && /^\d{1,6}$/.test(seconds) ? Number(seconds) * 1000 : undefined;
}

/** `fetch` says "fetch failed", and why in its cause; the code alone, since a message may repeat the address. */
function reasonOf(error: unknown): string {
  for (let inner = error, depth = 0; depth < 4 && typeof inner === 'object' && inner !== null; depth++) {
    if ('code' in inner && typeof inner.code === 'string') return inner.code;
    if ('name' in inner && inner.name === 'AbortError') return `no answer within ${SILENCE_MS / 1000} s`;
    inner = 'cause' in inner ? inner.cause : undefined;
  }
  return 'the connection failed';
}

function refused(shown: string, { status }: Response): EsparseError {
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
