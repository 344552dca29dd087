import { MessagePort, type Worker } from 'node:worker_threads';
import { EsparseError, toEsparseError, type ErrorDetails, type ErrorKind } from '@esparse/errors';

/** What passes between two threads: calls by name, one answer each. */
export type Methods = Readonly<Record<string, (argument: never) => Promise<unknown>>>;

/** One side of a channel between threads: a worker as its parent sees it, or a port. */
export type Channel = MessagePort | Worker;

interface CallMessage {
  readonly id: number;
  readonly method: string;
  readonly argument: unknown;
}

type AnswerMessage =
  | { readonly id: number; readonly value: unknown }
  | {
      readonly id: number;
      readonly error: { readonly kind: ErrorKind; readonly message: string } & ErrorDetails;
    };

/**
 * Answers the calls of the other thread. Answers move their arrays (see `movableIn`) instead of copying them; an error
 * keeps its kind, hint and context, which a structured clone would lose.
 */
export function serveCalls(channel: Channel, methods: Methods): void {
  channel.on('message', ({ id, method, argument }: CallMessage) => {
    const run = methods[method] as ((argument: unknown) => Promise<unknown>) | undefined;
    const answer = run === undefined ? Promise.reject(new Error(`no method ${method}`)) : run(argument);
    answer.then(
      (value) => {
        channel.postMessage({ id, value } satisfies AnswerMessage, movableIn(value));
      },
      (thrown: unknown) => {
        const { kind, message, hint, context } = toEsparseError(thrown);
        channel.postMessage({ id, error: { kind, message, hint, context } } satisfies AnswerMessage);
      },
    );
  });
}

/** Calls methods of the other thread. The arrays of an argument move there: the caller must not use them again. */
export function createCaller<M extends Methods>(
  channel: Channel,
): {
  call<Name extends keyof M & string>(
    method: Name,
    argument: Parameters<M[Name]>[0],
  ): Promise<Awaited<ReturnType<M[Name]>>>;
  /** Fails all calls that wait, and all to come: the other thread has ended. */
  fail(error: Error): void;
} {
  const waiting = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
  let next = 0;
  let failure: Error | undefined;
  channel.on('message', (answer: AnswerMessage) => {
    const call = waiting.get(answer.id);
    waiting.delete(answer.id);
    if ('error' in answer)
      call?.reject(new EsparseError(answer.error.kind, answer.error.message, answer.error));
    else call?.resolve(answer.value);
  });
  return {
    call: (method, argument) =>
      new Promise((resolve, reject) => {
        if (failure !== undefined) {
          reject(failure);
          return;
        }
        const id = next++;
        waiting.set(id, { resolve, reject });
        channel.postMessage({ id, method, argument } satisfies CallMessage, movableIn(argument));
      }),
    fail(error) {
      failure = error;
      for (const { reject } of waiting.values()) reject(error);
      waiting.clear();
    },
  };
}

/** What of a plain value can move: ports, and the memory of typed arrays, where an array is all of its memory. */
function movableIn(value: unknown): (ArrayBuffer | MessagePort)[] {
  if (ArrayBuffer.isView(value)) {
    const { buffer, byteLength } = value;
    return buffer instanceof ArrayBuffer && buffer.byteLength === byteLength ? [buffer] : [];
  }
  if (value instanceof MessagePort) return [value];
  if (typeof value !== 'object' || value === null) return [];
  return Object.values(value).flatMap(movableIn);
}
