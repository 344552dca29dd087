import type { ByteFolder } from '../byte-source.ts';
import { inParts } from '../in-parts.ts';
import { withoutSecrets } from '../secrets.ts';
import { openHttpFile } from './file.ts';

/**
 * The files below a path of an HTTP server. User and password of its address go with every request (Basic), its query
 * too; both are left out of messages.
 */
export function httpFolder(url: URL): ByteFolder {
  const user = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
  const headers: Record<string, string> =
    user === ':' ? {} : { authorization: `Basic ${Buffer.from(user).toString('base64')}` };
  return {
    location: withoutSecrets(url.href).replace(/\/$/, ''),
    async open(name, signal) {
      const file = new URL(url);
      file.username = '';
      file.password = '';
      file.pathname += encodeURIComponent(name);
      const opened = await openHttpFile({ url: file, headers }, signal);
      return opened && inParts(opened);
    },
  };
}
