import { randomBytes, timingSafeEqual } from 'node:crypto';
import { isIP } from 'node:net';
import type { IncomingMessage } from 'node:http';
import { EsparseError } from '@esparse/errors';
import { hostGuard, readApiKeys, type ApiKeys } from '@esparse/protocol';

/** Who may see a run. */
export interface Access {
  /** Whether a request may name this host: without a key, only names that no web page can have. */
  allowsHost(request: IncomingMessage): boolean;
  /** Whether a request has a key, by `Authorization: Bearer`, or the cookie that a key was exchanged for. */
  allows(request: IncomingMessage): boolean;
  /** The cookie for a key that was typed in; undefined for a wrong one. */
  enter(key: string): string | undefined;
}

/** A browser cannot send a key with each request of a page: it has a cookie of this name instead, which scripts cannot read. */
const COOKIE = 'esparse_ui';

/**
 * Everybody on this machine where the address is of loopback; elsewhere those who have a key.
 *
 * @param keyFile keys, one a line
 * @throws EsparseError 'usage' for another address without keys
 */
export async function accessTo(listen: string, keyFile: string | undefined): Promise<Access> {
  const keys = keyFile === undefined ? undefined : await readApiKeys(keyFile);
  if (keys === undefined && !isLoopback(hostOf(listen))) {
    throw new EsparseError('usage', `--ui ${listen} can be reached by others, and no key was given`, {
      hint: 'name a file of keys by --ui-key-file, or listen on 127.0.0.1',
    });
  }
  return keys === undefined ? openAccess() : keyedAccess(keys);
}

function openAccess(): Access {
  const isAllowed = hostGuard([]);
  return {
    allowsHost: ({ headers }) => isAllowed(headers.host),
    allows: () => true,
    enter: () => undefined,
  };
}

function keyedAccess(keys: ApiKeys): Access {
  // One for all: it ends with this process.
  const ticket = randomBytes(32).toString('base64url');
  return {
    allowsHost: () => true,
    allows: ({ headers }) =>
      keys.accepts(headers.authorization) || isTicket(ticket, cookieOf(headers.cookie)),
    enter: (key) =>
      keys.accepts(`Bearer ${key}`) ? `${COOKIE}=${ticket}; HttpOnly; SameSite=Strict; Path=/` : undefined,
  };
}

function isTicket(ticket: string, given: string | undefined): boolean {
  if (given?.length !== ticket.length) return false;
  return timingSafeEqual(Buffer.from(given), Buffer.from(ticket));
}

function cookieOf(header: string | undefined): string | undefined {
  for (const part of (header ?? '').split(';')) {
    const [name, value] = part.trim().split('=');
    if (name === COOKIE) return value;
  }
  return undefined;
}

/** The host of HOST:PORT, an IPv6 address without its brackets. */
export function hostOf(listen: string): string {
  return listen.slice(0, listen.lastIndexOf(':')).replace(/^\[(.*)\]$/, '$1');
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}
