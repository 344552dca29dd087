import type { Location, Refuse, Scheme } from '../scheme.ts';
import { withoutSecrets } from '../secrets.ts';

/**
 * What is below a path of an HTTP server, to be read only. The user and the query of its address are credentials of every
 * request.
 */
export const httpScheme: Scheme = {
  name: 'http',
  prefixes: ['https', 'http'],
  form: 'https://HOST/PATH/',
  writable: false,
  parse: (text, refuse) => locationOf(parseHttp(text, refuse)),
  show: withoutSecrets,
};

function locationOf(url: URL): Location {
  const location: Location = {
    scheme: httpScheme.name,
    text: url.href,
    name: nameOf(url),
    absolute: true,
    contains: (other) => other.scheme === httpScheme.name && isBelow(url, new URL(other.text)),
    resolve: () => Promise.resolve(location),
    // Loaded when it is wanted: a user of folders does not wait for it.
    openFolder: async () => (await import('./folder.ts')).httpFolder(url),
  };
  return location;
}

function isBelow(root: URL, url: URL): boolean {
  return root.origin === url.origin && url.pathname.startsWith(root.pathname);
}

/** The last part of the path; of a file tree served as `…/NAME/resolve/REVISION` that NAME; else the server's name. */
function nameOf({ pathname, hostname }: URL): string {
  const parts = decodeURI(pathname).split('/').filter(Boolean);
  return (parts.at(-2) === 'resolve' ? parts.at(-3) : parts.at(-1)) ?? hostname;
}

/** Understands `https://host/path/`; the path of the URL ends with a slash. */
function parseHttp(text: string, refuse: Refuse): URL {
  // Before `URL` takes them away: what is written as one path must not mean another.
  const [written = ''] = text.replace(/^[^/]*\/\/[^/?#]*/, '').split(/[?#]/);
  const parts = written.replace(/\/$/, '').split('/').slice(1);
  if (parts.includes('')) return refuse('has an empty part');
  if (parts.some((part) => /^(\.|%2e){1,2}$/i.test(part))) return refuse('has a part . or ..');
  if (/%(2f|5c|[01][0-9a-f]|7f|00)/i.test(written)) {
    return refuse('has an encoded slash or control character');
  }
  let url: URL;
  try {
    url = new URL(text);
    for (const part of [url.pathname, url.username, url.password]) decodeURIComponent(part);
  } catch {
    // The cause would repeat the text, credentials and all.
    return refuse('is no URL');
  }
  url.hash = '';
  if (!url.pathname.endsWith('/')) url.pathname += '/';
  return url;
}
