import { EsparseError } from '@esparse/errors';
import { showLocation, type HttpLocation } from '../location.ts';
import { isPlainName, type ByteFolder } from '../byte-source.ts';
import { openHttpFile } from './file.ts';
import { remoteSource } from '../remote-source.ts';

/**
 * The files below a path of an HTTP server. User and password of its address go with every request (Basic), its query
 * too; both are left out of messages.
 */
export function httpFolder({ url }: HttpLocation): ByteFolder {
  const where = showLocation(url.href).replace(/\/$/, '');
  const user = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
  const headers: Record<string, string> =
    user === ':' ? {} : { authorization: `Basic ${Buffer.from(user).toString('base64')}` };
  return {
    location: where,
    async open(name) {
      if (!isPlainName(name)) {
        throw new EsparseError('checkpoint', `${where}: ${JSON.stringify(name)} is not a plain file name`);
      }
      const file = new URL(url);
      file.username = '';
      file.password = '';
      file.pathname += encodeURIComponent(name);
      const opened = await openHttpFile({ url: file, headers });
      return opened && remoteSource(`${where}/${name}`, opened);
    },
  };
}
