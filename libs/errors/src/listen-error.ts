import { EsparseError, messageOf } from './error.ts';

/** What to do about each reason, given the option that names the address. */
const HINTS: Readonly<Record<string, (option: string) => string>> = {
  EADDRINUSE: (option) => `another process has this port: give ${option} one that is free, or 0`,
  EACCES: (option) => `this user may not have this port: give ${option} one of 1024 or above`,
  EADDRNOTAVAIL: (option) => `this machine has no such address: give ${option} one that it has`,
  ENOTFOUND: (option) => `nobody knows this name: give ${option} an address of this machine`,
};

/** The error of a server that cannot have its address, with what to do about the reason. */
export function cannotListen(address: string, option: string, cause: unknown): EsparseError {
  const message = messageOf(cause);
  // gRPC wraps what the system said: "No address added …: [listen EACCES: permission denied 127.0.0.1:80]".
  const reason = /(?:listen|bind) (E[A-Z]+:[^\]]*)/.exec(message)?.[1] ?? message;
  const hint = HINTS[/\bE[A-Z]{4,}\b/.exec(message)?.[0] ?? ''];
  return new EsparseError('usage', `cannot listen on ${address}: ${reason}`, {
    hint: hint?.(option) ?? `give ${option} an address of this machine with a port that is free`,
    cause,
  });
}
