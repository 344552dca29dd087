import type { ClientReadableStream, ClientUnaryCall, ServiceError } from '@grpc/grpc-js';
import { fromServiceError } from './errors.ts';
import { checkIdentity } from './identity-check.ts';
import type { WorkerIdentity } from './identity.ts';

/** Who is to answer a call, and when it ends early. */
export interface CallOptions {
  /** What the call was sent to: names the worker in errors, together with the peer that took it. */
  readonly address: string;
  /** The identity that the worker must have; undefined where any may answer. */
  readonly expected: Partial<WorkerIdentity> | undefined;
  readonly signal: AbortSignal | undefined;
}

/** A call that answers once. @throws EsparseError */
export async function unaryCall<Reply>(
  { address, expected, signal }: CallOptions,
  start: (done: (error: ServiceError | null, reply?: Reply) => void) => ClientUnaryCall,
): Promise<Reply> {
  signal?.throwIfAborted();
  let done: (error: ServiceError | null, reply?: Reply) => void = () => undefined;
  const answer = new Promise<Reply>((resolve, reject) => {
    done = (error, reply) => {
      if (error === null) resolve(reply as Reply);
      else reject(error);
    };
  });
  const call = start(done);
  const worker = () => workerName(address, call);
  const check = checkIdentity(call, expected, worker);
  const stopCancelling = cancelOnAbort(call, signal);
  try {
    const reply = await answer;
    check.requireIdentified();
    return reply;
  } catch (error) {
    throw check.refusal ?? fromServiceError(error, worker());
  } finally {
    stopCancelling();
  }
}

/** The messages of a stream, pulled; who stops reading cancels the call. @throws EsparseError */
export async function* streamCall<Message>(
  { address, expected, signal }: CallOptions,
  start: () => ClientReadableStream<Message>,
): AsyncGenerator<Message> {
  signal?.throwIfAborted();
  const call = start();
  const worker = () => workerName(address, call);
  const check = checkIdentity(call, expected, worker);
  const stopCancelling = cancelOnAbort(call, signal);
  try {
    for await (const message of call as AsyncIterable<Message>) {
      check.requireIdentified();
      yield message;
    }
    check.requireIdentified();
  } catch (error) {
    throw check.refusal ?? fromServiceError(error, worker());
  } finally {
    stopCancelling();
    call.cancel();
  }
}

function cancelOnAbort(call: { cancel(): void }, signal: AbortSignal | undefined): () => void {
  const cancel = () => {
    call.cancel();
  };
  signal?.addEventListener('abort', cancel, { once: true });
  return () => signal?.removeEventListener('abort', cancel);
}

/** The target, and which of its workers took the call where that is known. */
function workerName(address: string, call: { getPeer(): string }): string {
  const peer = call.getPeer();
  return peer === address || !/^[\d.:[\]a-f]+$/.test(peer) ? address : `${address} (${peer})`;
}
