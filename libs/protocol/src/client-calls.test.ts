import { EventEmitter } from 'node:events';
import {
  Metadata,
  status,
  type ClientReadableStream,
  type ClientUnaryCall,
  type ServiceError,
} from '@grpc/grpc-js';
import { streamCall, unaryCall } from './client-calls.ts';
import { identityMetadata } from './identity.ts';

const IDENTITY = { numerics: 'n', modelDigest: 'm' };

/** A call in the hands of the test: it says who answers, sends messages, and fails as grpc-js does once cancelled. */
class FakeCall extends EventEmitter {
  cancelled = false;
  done: (error: ServiceError | null, reply?: string) => void = () => undefined;
  readonly #peer: string;
  readonly #messages: readonly string[];

  constructor({ peer = '10.0.0.7:7070', messages = [] as readonly string[] } = {}) {
    super();
    this.#peer = peer;
    this.#messages = messages;
  }

  getPeer() {
    return this.#peer;
  }

  cancel() {
    if (this.cancelled) return;
    this.cancelled = true;
    this.done(failure(status.CANCELLED));
  }

  async *[Symbol.asyncIterator]() {
    for (const message of this.#messages) {
      await Promise.resolve();
      if (this.cancelled) throw failure(status.CANCELLED);
      yield message;
    }
  }
}

function failure(code: status): ServiceError {
  return Object.assign(new Error('x'), { code, details: 'why', metadata: new Metadata() });
}

const to = (change: { expected?: object | undefined; signal?: AbortSignal } = {}) => ({
  address: 'dns:///workers:7070',
  expected: IDENTITY,
  signal: undefined,
  ...change,
});

/** Makes a unary call of a fake one; the answer is awaited by the test. */
function asking(call: FakeCall, options = to()): Promise<string> {
  return unaryCall<string>(options, (done) => {
    call.done = done;
    return call as unknown as ClientUnaryCall;
  });
}

function reading(call: FakeCall, options = to()): AsyncGenerator<string> {
  return streamCall(options, () => call as unknown as ClientReadableStream<string>);
}

async function all(messages: AsyncIterable<string>): Promise<string[]> {
  const seen: string[] = [];
  for await (const message of messages) seen.push(message);
  return seen;
}

test('a reply of the worker that the run was begun with is given', async () => {
  const call = new FakeCall();
  const answer = asking(call);
  call.emit('metadata', identityMetadata(IDENTITY));
  call.done(null, 'reply');
  await expect(answer).resolves.toBe('reply');
  expect(call.cancelled).toBe(false);
});

test('a worker of another identity is refused by name and its call cancelled', async () => {
  const call = new FakeCall();
  const answer = asking(call);
  call.emit('metadata', identityMetadata({ ...IDENTITY, modelDigest: 'other' }));
  await expect(answer).rejects.toMatchObject({
    kind: 'checkpoint',
    message: expect.stringContaining('dns:///workers:7070 (10.0.0.7:7070)'),
  });
  expect(call.cancelled).toBe(true);
});

test('a worker that does not say who it is is refused, unless any may answer', async () => {
  const silent = new FakeCall();
  const answer = asking(silent);
  silent.done(null, 'reply');
  await expect(answer).rejects.toMatchObject({ kind: 'protocol' });

  const anybody = new FakeCall();
  const open = asking(anybody, to({ expected: undefined }));
  anybody.done(null, 'reply');
  await expect(open).resolves.toBe('reply');
});

test('a failed call is an error of esparse that names the worker, without a peer by its address alone', async () => {
  const call = new FakeCall({ peer: 'unknown' });
  const answer = asking(call);
  call.done(failure(status.UNAVAILABLE));
  await expect(answer).rejects.toMatchObject({
    kind: 'unavailable',
    context: { worker: 'dns:///workers:7070' },
  });
});

test('a signal cancels a call, and one that has aborted already begins none', async () => {
  const controller = new AbortController();
  const call = new FakeCall();
  const answer = asking(call, to({ signal: controller.signal }));
  controller.abort();
  await expect(answer).rejects.toMatchObject({ kind: 'cancelled' });
  expect(call.cancelled).toBe(true);

  const late = new FakeCall();
  await expect(asking(late, to({ signal: AbortSignal.abort(new Error('late')) }))).rejects.toThrow('late');
  expect(late.listenerCount('metadata')).toBe(0);
});

test('messages of a stream come in order once the worker has said who it is', async () => {
  const call = new FakeCall({ messages: ['a', 'b'] });
  const messages = reading(call);
  const first = messages.next();
  call.emit('metadata', identityMetadata(IDENTITY));
  expect(await first).toEqual({ done: false, value: 'a' });
  expect(await all(messages)).toEqual(['b']);
});

test('a stream of a worker that has not said who it is gives no message, and an empty one does not pass either', async () => {
  for (const messages of [['a'], []]) {
    const call = new FakeCall({ messages });
    await expect(all(reading(call))).rejects.toMatchObject({ kind: 'protocol' });
    expect(call.cancelled).toBe(true);
  }
});

test('a reader that leaves cancels the call', async () => {
  const call = new FakeCall({ messages: ['a', 'b'] });
  const messages = reading(call, to({ expected: undefined }));
  for await (const message of messages) {
    expect(message).toBe('a');
    break;
  }
  expect(call.cancelled).toBe(true);
});
