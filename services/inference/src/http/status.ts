import type { ErrorKind } from '@esparse/errors';

const SERVER_FAULT = 500;

/**
 * The HTTP status of each kind of error. Kinds of the pruner, of stores and of checkpoints are faults of the server to
 * its clients.
 */
const STATUS: Readonly<Record<ErrorKind, number>> = {
  invalid: 400,
  unauthenticated: 401,
  not_found: 404,
  slow_client: 408,
  busy: 429,
  cancelled: 499, // nginx's number for a client that closed the connection; only logs and metrics show it
  timeout: 503,
  unavailable: 503,
  usage: SERVER_FAULT,
  checkpoint: SERVER_FAULT,
  unsupported: SERVER_FAULT,
  text: SERVER_FAULT,
  numeric: SERVER_FAULT,
  store: SERVER_FAULT,
  locked: SERVER_FAULT,
  space: SERVER_FAULT,
  protocol: SERVER_FAULT,
  denied: SERVER_FAULT,
  internal: SERVER_FAULT,
};

/** The HTTP status of a kind of error. */
export function httpStatusOf(kind: ErrorKind): number {
  return STATUS[kind];
}
