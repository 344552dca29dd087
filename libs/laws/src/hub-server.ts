import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A model on the server of a test. */
export interface HubModel {
  /** `org/name`. */
  readonly repo: string;
  /** Branches and tags, and the commits that they are; may change. */
  readonly revisions: Record<string, string>;
  /** Files by their names, the same at every commit. */
  readonly files: Readonly<Record<string, Uint8Array>>;
  /** Needed to read it. */
  readonly token?: string;
  /** Whether its conditions were not accepted. */
  readonly gated?: boolean;
}

export interface HubServer {
  /** For HF_ENDPOINT. */
  readonly url: string;
  /** What was asked for, in order. */
  readonly requests: readonly HubRequest[];
  /** So many of the next requests are answered 429. */
  limitNext(requests: number): void;
  close(): Promise<void>;
}

export interface HubRequest {
  /** The hub, or the storage that it redirects to. */
  readonly server: 'hub' | 'storage';
  readonly path: string;
  readonly range: string | undefined;
  readonly authorization: string | undefined;
  /** Bytes of the answer's body. */
  readonly sent: number;
}

/** Larger files lie in the storage, as with Git LFS. */
const LARGE_BYTES = 64 * 1024;
/** Files of a page of a listing. */
const PAGE = 2;

/**
 * A server that speaks as the Hugging Face hub does, as far as models are read: revisions, listings in pages, ranges of files,
 * and large files behind a redirection with a signature to another server.
 */
export async function startHubServer(models: readonly HubModel[]): Promise<HubServer> {
  const requests: HubRequest[] = [];
  let limited = 0;

  const note = (server: HubRequest['server'], { url = '', headers }: IncomingMessage, sent: number) => {
    requests.push({ server, path: url, range: headers.range, authorization: headers.authorization, sent });
  };

  const storage = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url!, 'http://storage');
    const [, name] = /^\/blobs\/(.+)$/.exec(pathname) ?? [];
    const file = models
      .flatMap(({ repo, files }) =>
        Object.entries(files).map(([file, bytes]) => [`${repo}/${file}`, bytes] as const),
      )
      .find(([key]) => key === decodeURIComponent(name ?? ''));
    if (file === undefined || searchParams.get('signature') !== 'good') {
      note('storage', request, 0);
      response.writeHead(403).end();
      return;
    }
    note('storage', request, sendRange(request, response, file[1]));
  });
  const storageUrl = await listening(storage);

  const hub = createServer((request, response) => {
    const fail = (status: number, code: string, headers: Record<string, string> = {}) => {
      note('hub', request, 0);
      response.writeHead(status, { 'x-error-code': code, 'content-type': 'application/json', ...headers });
      response.end(JSON.stringify({ error: code }));
    };
    const json = (value: unknown, headers: Record<string, string> = {}) => {
      const body = JSON.stringify(value);
      note('hub', request, body.length);
      response.writeHead(200, { 'content-type': 'application/json', ...headers });
      response.end(body);
    };
    if (limited > 0) {
      limited--;
      fail(429, 'RateLimited', { 'retry-after': '0' });
      return;
    }
    const url = new URL(request.url!, 'http://hub');
    const path = decodeURIComponent(url.pathname);
    const model = models.find(
      ({ repo }) => path.startsWith(`/api/models/${repo}/`) || path.startsWith(`/${repo}/`),
    );
    const { authorization } = request.headers;
    const mayRead = model?.token === undefined || authorization === `Bearer ${model.token}`;
    // Whoever may not read a model is not told whether there is one.
    if (model === undefined || !mayRead) {
      fail(authorization === undefined ? 401 : 404, 'RepoNotFound');
      return;
    }
    if (model.gated === true) {
      fail(authorization === undefined ? 401 : 403, 'GatedRepo');
      return;
    }
    const { repo, revisions, files } = model;
    const commitOf = (revision: string) =>
      revisions[revision] ?? (Object.values(revisions).includes(revision) ? revision : undefined);
    const [, asked] = /\/revision\/(.+)$/.exec(path) ?? [];
    if (asked !== undefined) {
      const sha = commitOf(asked);
      if (sha === undefined) fail(404, 'RevisionNotFound');
      else
        json({
          _id: '1',
          id: repo,
          sha,
          private: model.token !== undefined,
          gated: false,
          lastModified: '2026-01-01T00:00:00.000Z',
        });
      return;
    }
    const [, tree] = new RegExp(`^/api/models/${repo}/tree/(.+)$`).exec(path) ?? [];
    if (tree !== undefined && commitOf(tree) !== undefined) {
      const from = Number(url.searchParams.get('cursor') ?? 0);
      const entries = Object.entries(files).map(([name, bytes]) =>
        bytes.length > LARGE_BYTES
          ? {
              type: 'file',
              path: name,
              oid: 'a',
              size: bytes.length,
              lfs: { oid: 'b', size: bytes.length, pointerSize: 130 },
            }
          : { type: 'file', path: name, oid: 'a', size: bytes.length },
      );
      const all = [{ type: 'directory', path: 'onnx', oid: 'c', size: 0 }, ...entries];
      const next = new URL(`${url.pathname}?cursor=${from + PAGE}`, hubUrl);
      json(
        all.slice(from, from + PAGE),
        from + PAGE < all.length ? { link: `<${next.href}>; rel="next"` } : {},
      );
      return;
    }
    const [, revision = '', name = ''] = new RegExp(`^/${repo}/resolve/([^/]+)/(.+)$`).exec(path) ?? [];
    const bytes = files[name];
    if (commitOf(revision) === undefined || bytes === undefined) fail(404, 'EntryNotFound');
    else if (bytes.length > LARGE_BYTES) {
      note('hub', request, 0);
      const location = `${storageUrl}/blobs/${encodeURIComponent(`${repo}/${name}`)}?signature=good`;
      response.writeHead(302, { location, 'x-linked-size': String(bytes.length) }).end();
    } else note('hub', request, sendRange(request, response, bytes));
  });
  const hubUrl = await listening(hub);

  return {
    url: hubUrl,
    requests,
    limitNext(count) {
      limited = count;
    },
    async close() {
      for (const server of [hub, storage]) {
        server.close();
        server.closeAllConnections();
        await once(server, 'close');
      }
    },
  };
}

/** Answers a range, or all; gives how many bytes. */
function sendRange(
  { headers, method }: IncomingMessage,
  response: ServerResponse,
  bytes: Uint8Array,
): number {
  const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(headers.range ?? '') ?? [];
  const from = Number(first ?? 0);
  const to = Math.min(Number(last ?? bytes.length - 1), bytes.length - 1);
  const part = bytes.subarray(from, to + 1);
  response.writeHead(first === undefined ? 200 : 206, {
    etag: '"a"',
    'content-length': part.length,
    ...(first !== undefined && { 'content-range': `bytes ${from}-${to}/${bytes.length}` }),
  });
  response.end(method === 'HEAD' ? undefined : part);
  return part.length;
}

async function listening(server: Server): Promise<string> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
