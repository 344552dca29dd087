import type {
  ServerUnaryCall,
  ServerWritableStream,
  handleServerStreamingCall,
  handleUnaryCall,
} from '@grpc/grpc-js';
import { EsparseError } from '@esparse/errors';
import { toServiceError } from '@esparse/protocol';
import type { Logger } from 'pino';

/** A unary call as an asynchronous function; the signal aborts when the client goes away. */
export function unary<Request, Reply>(
  log: Logger,
  name: string,
  run: (request: Request, signal: AbortSignal) => Promise<Reply>,
): handleUnaryCall<Request, Reply> {
  return (call: ServerUnaryCall<Request, Reply>, callback) => {
    const started = performance.now();
    run(call.request, cancellation(call)).then(
      (reply) => {
        log.debug({ call: name, ms: Math.round(performance.now() - started) }, 'done');
        callback(null, reply);
      },
      (error: unknown) => {
        logFailure(log, name, error);
        callback(toServiceError(error));
      },
    );
  };
}

/**
 * A server stream as an asynchronous generator, pulled: the next message is asked for only when the stream has
 * taken the one before, so a slow reader holds the generator, and a reader that goes away ends it.
 *
 * @param sent - Called once with each message that has been encoded: its memory may go.
 */
export function serverStream<Request, Message>(
  log: Logger,
  name: string,
  run: (request: Request, signal: AbortSignal) => AsyncIterable<Message>,
  sent: (message: Message) => void = () => undefined,
): handleServerStreamingCall<Request, Message> {
  return (call: ServerWritableStream<Request, Message>) => {
    const signal = cancellation(call);
    const started = performance.now();
    pump(call, run(call.request, signal), signal, sent).then(
      () => {
        log.debug({ call: name, ms: Math.round(performance.now() - started) }, 'done');
        call.end();
      },
      (error: unknown) => {
        logFailure(log, name, error);
        call.emit('error', toServiceError(error));
      },
    );
  };
}

/** Messages handed to the HTTP/2 stream and not yet taken by it: two keep the connection busy while one is made. */
const MAX_UNWRITTEN = 2;

async function pump<Request, Message>(
  call: ServerWritableStream<Request, Message>,
  messages: AsyncIterable<Message>,
  signal: AbortSignal,
  sent: (message: Message) => void,
): Promise<void> {
  const gone = rejectionOf(signal);
  const unwritten: Promise<void>[] = [];
  for await (const message of messages) {
    signal.throwIfAborted();
    unwritten.push(written(call, message, sent));
    // A write of a call whose client is gone never calls back.
    if (unwritten.length >= MAX_UNWRITTEN) await Promise.race([unwritten.shift(), gone]);
  }
  await Promise.race([Promise.all(unwritten), gone]);
}

function written<Request, Message>(
  call: ServerWritableStream<Request, Message>,
  message: Message,
  sent: (message: Message) => void,
): Promise<void> {
  const done = new Promise<void>((resolve, reject) => {
    call.write(message, (error?: Error | null) => {
      sent(message);
      if (error) reject(error);
      else resolve();
    });
  });
  done.catch(() => undefined); // awaited later, or the whole call has failed already
  return done;
}

function rejectionOf(signal: AbortSignal): Promise<never> {
  const rejection = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => {
      reject(new EsparseError('cancelled', 'the client went away'));
    });
  });
  rejection.catch(() => undefined);
  return rejection;
}

function cancellation(call: { on(event: 'cancelled', listener: () => void): unknown }): AbortSignal {
  const controller = new AbortController();
  call.on('cancelled', () => {
    controller.abort();
  });
  return controller.signal;
}

function logFailure(log: Logger, call: string, error: unknown): void {
  const { code, message } = toServiceError(error);
  log.warn({ call, code, err: message }, 'failed');
}
