import { EsparseError, isEsparseError } from '@esparse/errors';
import { withoutSecrets } from '../secrets.ts';
import { keepPace, type Pace } from './pace.ts';
import { Broken } from './tries.ts';

/** Redirections followed for one request: public model hubs make one or two. */
const MAX_REDIRECTS = 5;

/** Answers of a server that may do better next time. */
const BUSY = new Set([408, 425, 429, 500, 502, 503, 504]);
const REDIRECT = new Set([301, 302, 303, 307, 308]);

/** Where a file is, and what goes with every request to that server. */
export interface HttpPlace {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  /** What an answer means that is no success. @default the status, and to check address and credentials */
  readonly refusal?: (answer: Response) => EsparseError;
}

/** One request, its redirections followed, and what becomes of its answer; the rest of the answer is not read. */
export async function request<T>(
  { url, headers }: HttpPlace,
  init: { readonly method: string; readonly headers?: Readonly<Record<string, string>> },
  signal: AbortSignal | undefined,
  use: (answer: Response, pace: Pace) => Promise<T>,
): Promise<T> {
  const ending = new AbortController();
  const end = (): void => {
    ending.abort();
  };
  const pace = keepPace(end);
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
      const next = REDIRECT.has(answer.status) ? answer.headers.get('location') : null;
      if (next === null) {
        pace.answered();
        if (BUSY.has(answer.status))
          throw new Broken(`the server answered ${answer.status}`, { pauseMs: retryAfter(answer), answer });
        return await use(answer, pace);
      }
      target = follow(url, target, next, redirects);
    }
  } catch (error) {
    if (isEsparseError(error) || error instanceof Broken) throw error;
    throw new Broken(pace.fault ?? reasonOf(error), { cause: error });
  } finally {
    pace.stop();
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

function retryAfter({ headers }: Response): number | undefined {
  const seconds = headers.get('retry-after');
  return seconds !== null && /^\d{1,6}$/.test(seconds) ? Number(seconds) * 1000 : undefined;
}

/** `fetch` says "fetch failed", and why in its cause; the code alone, since a message may repeat the address. */
function reasonOf(error: unknown): string {
  for (let inner = error, depth = 0; depth < 4 && typeof inner === 'object' && inner !== null; depth++) {
    if ('code' in inner && typeof inner.code === 'string') return inner.code;
    inner = 'cause' in inner ? inner.cause : undefined;
  }
  return 'the connection failed';
}
