import { EsparseError, messageOf } from './error.ts';

/** What to do about each reason, given the options that name the port and the host. */
const HINTS: Readonly<Record<string, (port: string, host: string) => string>> = {
  EADDRINUSE: (port) => `another process has this port: give ${port} one that is free, or 0`,
  EACCES: (port) => `this user may not have this port: give ${port} one of 1024 or above`,
  EADDRNOTAVAIL: (_, host) => `this machine has no such address: give ${host} one that it has`,
  ENOTFOUND: (_, host) => `nobody knows this name: give ${host} an address of this machine`,
};

/**
 * The error of a server that cannot have its address, with what to do about the reason.
 *
 * @param option names the address, or its port where another one names the host
 */
export function cannotListen(
  address: string,
  option: string,
  cause: unknown,
  hostOption = option,
): EsparseError {
  const message = messageOf(cause);
  // gRPC wraps what the system said: "No address added …: [listen EACCES: permission denied 127.0.0.1:80]".
  const reason = /(?:listen|bind) (E[A-Z]+:[^\]]*)/.exec(message)?.[1] ?? message;
  const hint = HINTS[/\bE[A-Z]{4,}\b/.exec(message)?.[0] ?? ''];
  return new EsparseError('usage', `cannot listen on ${address}: ${reason}`, {
    hint:
      hint?.(option, hostOption) ?? `give ${hostOption} an address of this machine with a port that is free`,
    cause,
  });
}
