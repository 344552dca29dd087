import { isIP } from 'node:net';

/** Tells whether a request over HTTP may name the server by this Host header. */
export type HostGuard = (host: string | undefined) => boolean;

/**
 * Guards a server against DNS rebinding: a web page can have its own name point at this machine, and then a browser here
 * lets it read what the server answers. Its requests give that name as their Host, so names that nobody has allowed are
 * refused. IP addresses and localhost belong to no web page and always pass, and so does a request without a Host, which no
 * browser sends. Ports and case do not count.
 *
 * @param names allowed ones; where there are none given, every host passes
 */
export function hostGuard(names: readonly string[] | undefined): HostGuard {
  if (names === undefined) return () => true;
  const allowed = new Set(['localhost', ...names.map((name) => name.toLowerCase())]);
  return (host) => {
    if (host === undefined) return true;
    const name = host
      .replace(/:\d*$/, '')
      .replace(/^\[(.*)\]$/, '$1')
      .replace(/\.$/, '')
      .toLowerCase();
    return isIP(name) !== 0 || allowed.has(name);
  };
}
