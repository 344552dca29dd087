import { Metadata, Server, ServerCredentials, status } from '@grpc/grpc-js';
import { ERROR_KINDS, EsparseError } from '@esparse/errors';
import { connectWorker, fromServiceError, toServiceError, workerServiceDefinition } from './index.ts';

test.each(ERROR_KINDS)('an error of kind %s crosses the wire with its message, hint and context', (kind) => {
  const sent = new EsparseError(kind, 'tensor x is missing', {
    hint: 'look again',
    context: { block: 3, tap: 'a' },
  });
  const received = fromServiceError(toServiceError(sent), 'w:1');
  expect(received).toMatchObject({
    kind,
    message: 'tensor x is missing',
    hint: 'look again',
    context: { block: '3', tap: 'a', worker: 'w:1' },
  });
});

test('what one error carries is bounded, so that it fits into the headers of a reply', () => {
  const context = Object.fromEntries(Array.from({ length: 500 }, (_, i) => [`key${i}`, 'v'.repeat(5000)]));
  const { metadata } = toServiceError(
    new EsparseError('store', 'x'.repeat(1e6), { hint: 'h'.repeat(1e6), context }),
  );
  const size = metadata.get('esparse-error-bin').reduce((sum, value) => sum + value.length, 0);
  expect(size).toBeLessThan(12_000);
});

test('a failure without our detail has the kind of its status', () => {
  const failure = (code: status) =>
    fromServiceError(Object.assign(new Error('x'), { code, details: 'why', metadata: new Metadata() }), 'w:1')
      .kind;
  expect(failure(status.UNAVAILABLE)).toBe('unavailable');
  expect(failure(status.DEADLINE_EXCEEDED)).toBe('unavailable');
  expect(failure(status.CANCELLED)).toBe('cancelled');
  expect(failure(status.UNIMPLEMENTED)).toBe('protocol');
  expect(failure(status.DATA_LOSS)).toBe('internal');
});

test('a call that took too long is not told as a worker that cannot be reached', () => {
  const thrown = { code: status.DEADLINE_EXCEEDED, details: 'Deadline exceeded', metadata: new Metadata() };
  expect(fromServiceError(Object.assign(new Error('x'), thrown), 'w:1')).toMatchObject({
    kind: 'unavailable',
    message: 'worker w:1 did not answer in time',
    hint: expect.stringContaining('hangs'),
  });
});

test('a worker of an older version, which lacks a call, is not reported as one that failed: the hint says what to do', async () => {
  const server = new Server();
  server.addService({ Describe: workerServiceDefinition.Describe }, {});
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) => {
      if (error === null) resolve(bound);
      else reject(error);
    });
  });
  const worker = connectWorker(`127.0.0.1:${port}`);
  try {
    const target = { model: 'm', store: 's', run: 'r', seqlen: 1 };
    await expect(worker.advanceDenseShard(target, 0, 0)).rejects.toMatchObject({
      kind: 'protocol',
      message: expect.stringMatching(/127\.0\.0\.1.* does not know this call: .*AdvanceDenseShard/),
      hint: expect.stringContaining('run the same esparse version on both sides'),
    });
  } finally {
    worker.close();
    server.forceShutdown();
  }
});

test('a detail that is garbage or of an unknown kind falls back to the status', () => {
  const metadata = new Metadata();
  metadata.set('esparse-error-bin', Buffer.from([0xff, 0xff, 0xff, 0x01]));
  const error = Object.assign(new Error('x'), { code: status.UNAVAILABLE, details: 'lost', metadata });
  expect(fromServiceError(error, 'w:1')).toMatchObject({ kind: 'unavailable' });
});
