import { status } from '@grpc/grpc-js';
import type { ErrorKind } from '@esparse/errors';

const STATUS_OF_KIND: Readonly<Record<ErrorKind, status>> = {
  usage: status.INVALID_ARGUMENT,
  invalid: status.INVALID_ARGUMENT,
  not_found: status.NOT_FOUND,
  unauthenticated: status.UNAUTHENTICATED,
  timeout: status.DEADLINE_EXCEEDED,
  slow_client: status.DEADLINE_EXCEEDED,
  checkpoint: status.FAILED_PRECONDITION,
  unsupported: status.FAILED_PRECONDITION,
  text: status.INVALID_ARGUMENT,
  numeric: status.FAILED_PRECONDITION,
  store: status.FAILED_PRECONDITION,
  locked: status.FAILED_PRECONDITION,
  space: status.RESOURCE_EXHAUSTED,
  protocol: status.FAILED_PRECONDITION,
  denied: status.PERMISSION_DENIED,
  unavailable: status.UNAVAILABLE,
  busy: status.RESOURCE_EXHAUSTED,
  cancelled: status.CANCELLED,
  internal: status.INTERNAL,
};

/**
 * The way back, for an error that comes without our `ErrorDetail`, in which the kind crosses exactly (see `errors.ts`):
 * gRPC itself made it, or a peer that is not esparse. It loses most kinds on purpose. The pruner's retries and the exit
 * codes follow the kind, and a bare status does not say that input or store are at fault: it stays 'internal', which is
 * tried again. A deadline that passed is a worker that does not answer.
 */
const KIND_OF_STATUS: Readonly<Record<status, ErrorKind>> = {
  [status.OK]: 'internal',
  [status.CANCELLED]: 'cancelled',
  [status.UNKNOWN]: 'internal',
  [status.INVALID_ARGUMENT]: 'internal',
  [status.DEADLINE_EXCEEDED]: 'unavailable',
  [status.NOT_FOUND]: 'internal',
  [status.ALREADY_EXISTS]: 'internal',
  [status.PERMISSION_DENIED]: 'internal',
  [status.RESOURCE_EXHAUSTED]: 'internal',
  [status.FAILED_PRECONDITION]: 'internal',
  [status.ABORTED]: 'internal',
  [status.OUT_OF_RANGE]: 'internal',
  [status.UNIMPLEMENTED]: 'protocol',
  [status.INTERNAL]: 'internal',
  [status.UNAVAILABLE]: 'unavailable',
  [status.DATA_LOSS]: 'internal',
  [status.UNAUTHENTICATED]: 'internal',
};

/** The gRPC status of a kind of error. */
export function grpcStatusOf(kind: ErrorKind): status {
  return STATUS_OF_KIND[kind];
}

/** The kind of an error of which there is a gRPC status only; a peer may send any number. */
export function kindOfGrpcStatus(code: number): ErrorKind {
  return (KIND_OF_STATUS as Readonly<Record<number, ErrorKind | undefined>>)[code] ?? 'internal';
}
