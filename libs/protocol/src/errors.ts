import { Metadata, status, type ServiceError } from '@grpc/grpc-js';
import { EsparseError, isErrorKind, toEsparseError, type ErrorKind } from '@esparse/errors';
import { grpcStatusOf, kindOfGrpcStatus } from './grpc-status.ts';
import { ErrorDetailCodec } from './service.ts';

/** Trailing metadata that carries an `esparse.v1.ErrorDetail`. */
const DETAIL_KEY = 'esparse-error-bin';

/** Text of one error at most, so that it fits the HTTP/2 header limit of 16 KiB with room to spare. */
const MAX_TEXT = 2000;

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
  return { name: 'ServiceError', message, code: grpcStatusOf(error.kind), details: message, metadata };
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

/** Where the peer is not an esparse worker, or the call did not reach it, there is only the status. */
function withoutDetail(error: ServiceError, worker: string): EsparseError {
  const kind = kindOfGrpcStatus(error.code);
  const { message, hint } =
    error.code === status.DEADLINE_EXCEEDED ? late(worker) : explain(kind, worker, error.details);
  return new EsparseError(kind, message, { hint, context: { worker }, cause: error });
}

function late(worker: string) {
  return {
    message: `worker ${worker} did not answer in time`,
    hint: 'it hangs, or has far too much to do: its log and its load tell',
  };
}

function explain(kind: ErrorKind, worker: string, details: string): { message: string; hint?: string } {
  switch (kind) {
    case 'cancelled':
      return { message: 'the call was cancelled' };
    case 'unavailable':
      return {
        message: `worker ${worker} cannot be reached: ${details}`,
        hint: 'check that the worker runs and that the address is right',
      };
    case 'protocol':
      return {
        message: `worker ${worker} does not know this call: ${details}`,
        hint: 'run the same esparse version on both sides, and check that the address is that of a worker',
      };
    default:
      return { message: `worker ${worker} failed: ${details}` };
  }
}

function detailOf(error: ServiceError) {
  const bytes = error.metadata.get(DETAIL_KEY)[0];
  if (!Buffer.isBuffer(bytes)) return undefined;
  try {
    const detail = ErrorDetailCodec.deserialize(bytes);
    return isErrorKind(detail.kind) ? { ...detail, kind: detail.kind } : undefined;
  } catch {
    return undefined; // not a detail of ours: the status is all there is
  }
}

function isServiceError(value: unknown): value is ServiceError {
  return typeof value === 'object' && value !== null && 'code' in value && 'metadata' in value;
}
