import { Metadata, status, type ServiceError } from '@grpc/grpc-js';
import { EsparseError, toEsparseError, type ErrorKind } from '@esparse/errors';
import { ErrorDetailCodec } from './service.ts';

/** Trailing metadata that carries an `esparse.v1.ErrorDetail`. */
const DETAIL_KEY = 'esparse-error-bin';

/** Text of one error at most, so that it fits the HTTP/2 header limit of 16 KiB with room to spare. */
const MAX_TEXT = 2000;

/** The gRPC status of each kind of error. */
const STATUS: Record<ErrorKind, status> = {
  usage: status.INVALID_ARGUMENT,
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

/** What grpc-js sends for a failed call: status, message, and the error's fields in the trailing metadata. */
export function toServiceError(
  thrown: unknown,
): Pick<ServiceError, 'name' | 'message' | 'code' | 'details' | 'metadata'> {
  const error = toEsparseError(thrown);
  const metadata = new Metadata();
  const message = error.message.slice(0, MAX_TEXT);
  const detail = ErrorDetailCodec.serialize({
    kind: error.kind,
    message,
    hint: (error.hint ?? '').slice(0, MAX_TEXT),
    context: Object.fromEntries(
      Object.entries(error.context)
        .slice(0, 20)
        .map(([key, value]) => [key, String(value).slice(0, 200)]),
    ),
  });
  metadata.set(DETAIL_KEY, Buffer.from(detail));
  return { name: 'ServiceError', message, code: STATUS[error.kind], details: message, metadata };
}

/** The error of a failed call, as the peer had it; `worker` names the peer in what has no detail. */
export function fromServiceError(thrown: unknown, worker: string): EsparseError {
  if (!isServiceError(thrown)) return toEsparseError(thrown);
  const detail = detailOf(thrown);
  if (detail !== undefined) {
    return new EsparseError(detail.kind, detail.message, {
      hint: detail.hint === '' ? undefined : detail.hint,
      context: { ...detail.context, worker },
      cause: thrown,
    });
  }
  return withoutDetail(thrown, worker);
}

function withoutDetail(error: ServiceError, worker: string): EsparseError {
  const context = { worker };
  switch (error.code) {
    case status.CANCELLED:
      return new EsparseError('cancelled', 'the call was cancelled', { context, cause: error });
    case status.UNAVAILABLE:
    case status.DEADLINE_EXCEEDED:
      return new EsparseError('unavailable', `worker ${worker} cannot be reached: ${error.details}`, {
        hint: 'check that the worker runs and that the address is right',
        context,
        cause: error,
      });
    case status.UNIMPLEMENTED:
      return new EsparseError('protocol', `worker ${worker} does not know this call: ${error.details}`, {
        hint: 'run the same esparse version on both sides, and check that the address is that of a worker',
        context,
        cause: error,
      });
    default:
      return new EsparseError('internal', `worker ${worker} failed: ${error.details}`, {
        context,
        cause: error,
      });
  }
}

function detailOf(error: ServiceError) {
  const bytes = error.metadata.get(DETAIL_KEY)[0];
  if (!Buffer.isBuffer(bytes)) return undefined;
  try {
    const detail = ErrorDetailCodec.deserialize(bytes);
    return isKind(detail.kind) ? { ...detail, kind: detail.kind } : undefined;
  } catch {
    return undefined; // not a detail of ours: the status still tells
  }
}

function isKind(kind: string): kind is ErrorKind {
  return Object.hasOwn(STATUS, kind);
}

function isServiceError(value: unknown): value is ServiceError {
  return typeof value === 'object' && value !== null && 'code' in value && 'metadata' in value;
}
