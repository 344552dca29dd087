import type {
  Metadata,
  ServerUnaryCall,
  ServerWritableStream,
  handleServerStreamingCall,
  handleUnaryCall,
} from '@grpc/grpc-js';
import { EsparseError, isEsparseError } from '@esparse/errors';
import { toServiceError, UNREAD_TIMEOUT_MS } from '@esparse/protocol';
import { resetStream } from './reset-stream.ts';
import { observeCall, type CallObservers } from './observe-call.ts';

/** What a handler has at hand beside its request. */
export interface CallContext {
  /** Aborts when the client goes away, and when the worker stops. */
  readonly signal: AbortSignal;
  /** Sends metadata before the reply. */
  readonly sendMetadata: (metadata: Metadata) => void;
}

/** What all calls of a worker share. */
export interface HandlerOptions extends CallObservers {
  /** Aborts what still runs when the worker stops: its reason is the error that clients get. */
  readonly stopping: AbortSignal;
  /** How long the client of a stream may read nothing. @default UNREAD_TIMEOUT_MS */
  readonly unreadMs?: number | undefined;
}

/** A unary call as an asynchronous function, answered at once where its signal aborts. */
export function unary<Request, Reply>(
  options: HandlerOptions,
  name: string,
  run: (request: Request, context: CallContext) => Promise<Reply>,
): handleUnaryCall<Request, Reply> {
  return (call: ServerUnaryCall<Request, Reply>, callback) => {
    const context = contextOf(call, options.stopping);
    const answer = observeCall(options, name, call, () =>
      Promise.race([run(call.request, context), rejectionOf(context.signal)]),
    );
    answer.finally(context.dispose).then(
      (reply) => {
        callback(null, reply);
      },
      (error: unknown) => {
        callback(toServiceError(error));
      },
    );
  };
}

/**
 * A server stream as an asynchronous generator, pulled: the next message is asked for only when the stream has
 * taken the one before, so a slow reader holds back the generator, and a reader that leaves ends it.
 *
 * @param onSent - Called once with each message that has been encoded: its memory may be freed.
 */
export function serverStream<Request, Message>(
  options: HandlerOptions,
  name: string,
  run: (request: Request, context: CallContext) => AsyncIterable<Message>,
  onSent: (message: Message) => void = () => undefined,
): handleServerStreamingCall<Request, Message> {
  return (call: ServerWritableStream<Request, Message>) => {
    const context = contextOf(call, options.stopping);
    const sending = observeCall(options, name, call, () =>
      pump(call, run(call.request, context), { ...options, ...context, onSent }),
    );
    sending.finally(context.dispose).then(
      () => {
        call.end();
      },
      (error: unknown) => {
        call.emit('error', toServiceError(error));
        if (isEsparseError(error) && error.kind === 'slow_client') resetStream(call);
      },
    );
  };
}

/** Messages handed to the HTTP/2 stream and not yet taken by it: two keep the connection busy while one is made. */
const MAX_UNWRITTEN = 2;

interface PumpOptions<Message> {
  readonly signal: AbortSignal;
  readonly unreadMs?: number | undefined;
  readonly onSent: (message: Message) => void;
}

async function pump<Request, Message>(
  call: ServerWritableStream<Request, Message>,
  messages: AsyncIterable<Message>,
  { signal, unreadMs = UNREAD_TIMEOUT_MS, onSent }: PumpOptions<Message>,
): Promise<void> {
  const aborted = rejectionOf(signal);
  const unwritten: Promise<void>[] = [];
  // A write to a client that has gone, or does not read, never calls back.
  const taken = (writing: Promise<unknown>) => within(unreadMs, Promise.race([writing, aborted]));
  try {
    for await (const message of messages) {
      signal.throwIfAborted();
      unwritten.push(written(call, message, onSent));
      if (unwritten.length >= MAX_UNWRITTEN) await taken(unwritten.shift()!);
    }
    for (const writing of unwritten) await taken(writing);
  } catch (error) {
    // What fails once the call has ended, fails because of that.
    signal.throwIfAborted();
    throw error;
  }
}

/** @throws EsparseError 'slow_client' where the client has not taken a message after some time */
async function within(milliseconds: number, taken: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(
        new EsparseError('slow_client', `the client has read nothing for ${milliseconds / 1000} s`, {
          hint: 'the machine of the pruner may have too much to do: run it with fewer workers',
        }),
      );
    }, milliseconds);
  });
  try {
    await Promise.race([taken, late]);
  } finally {
    clearTimeout(timer);
  }
}

function written<Request, Message>(
  call: ServerWritableStream<Request, Message>,
  message: Message,
  onSent: (message: Message) => void,
): Promise<void> {
  const done = new Promise<void>((resolve, reject) => {
    call.write(message, (error?: Error | null) => {
      onSent(message);
      if (error) reject(error);
      else resolve();
    });
  });
  done.catch(() => undefined); // awaited later, or the whole call has failed already
  return done;
}

function rejectionOf(signal: AbortSignal): Promise<never> {
  const rejection = new Promise<never>((_, reject) => {
    const abort = () => {
      reject(signal.reason as Error);
    };
    if (signal.aborted) abort();
    else signal.addEventListener('abort', abort, { once: true });
  });
  rejection.catch(() => undefined);
  return rejection;
}

interface Answerable {
  on(event: 'cancelled', listener: () => void): unknown;
  sendMetadata(metadata: Metadata): void;
}

function contextOf(call: Answerable, stopping: AbortSignal): CallContext & { dispose(): void } {
  const controller = new AbortController();
  call.on('cancelled', () => {
    controller.abort(new EsparseError('cancelled', 'the client went away'));
  });
  const onStopping = () => {
    controller.abort(stopping.reason);
  };
  stopping.addEventListener('abort', onStopping);
  return {
    signal: controller.signal,
    sendMetadata(metadata) {
      call.sendMetadata(metadata);
    },
    dispose() {
      stopping.removeEventListener('abort', onStopping);
    },
  };
}
