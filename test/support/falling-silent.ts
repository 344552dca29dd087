import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { readFile } from 'node:fs/promises';
import path from 'node:path';

/** A web server of a folder that falls silent. */
export interface FallingSilent {
  readonly url: string;
  /** Settles when a request has come that is not answered. */
  readonly silent: Promise<void>;
  close(): void;
}

export interface SilenceOptions {
  /** Requests that are answered before. @default all */
  readonly answers?: number;
  /** Sends one byte of an answer's body instead of nothing at all. @default false */
  readonly drips?: boolean;
}

/** Serves the files of a folder by ranges, up to some request: that one and all behind it are never answered to their end. */
export async function serveUntilSilent(
  folder: string,
  { answers = Infinity, drips = false }: SilenceOptions,
): Promise<FallingSilent> {
  let requests = 0;
  let reached: () => void;
  const silent = new Promise<void>((resolve) => (reached = resolve));
  const server = createServer((request, response) => {
    void (async () => {
      const isSilent = ++requests > answers;
      if (isSilent) reached();
      if (isSilent && !drips) return;
      const bytes = await readFile(path.join(folder, path.basename(request.url!))).catch(() => undefined);
      if (bytes === undefined) {
        response.writeHead(404).end();
        return;
      }
      const [first, last] =
        /\d+-\d+/
          .exec(request.headers.range ?? '')?.[0]
          .split('-')
          .map(Number) ?? [];
      const part = bytes.subarray(first, last === undefined ? undefined : last + 1);
      response.writeHead(first === undefined ? 200 : 206, {
        etag: '"1"',
        'content-length': part.length,
        ...(first !== undefined && { 'content-range': `bytes ${first}-${last}/${bytes.length}` }),
      });
      if (isSilent && request.method === 'GET') response.write(part.subarray(0, 1));
      else response.end(request.method === 'HEAD' ? undefined : part);
    })();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    silent,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}
