import { MessageChannel } from 'node:worker_threads';
import { EsparseError } from '@esparse/errors';
import { createCaller, serveCalls } from './calls.ts';

function connect<M extends Parameters<typeof serveCalls>[1]>(methods: M) {
  const { port1, port2 } = new MessageChannel();
  serveCalls(port1, methods);
  return {
    ...createCaller<M>(port2),
    close: () => {
      port1.close();
    },
  };
}

test('calls are answered each with its own value, whatever the order in which they end', async () => {
  const { call, close } = connect({
    wait: (ms: number) => new Promise((resolve) => setTimeout(resolve, ms)).then(() => ms),
  });
  await expect(Promise.all([call('wait', 30), call('wait', 1)])).resolves.toEqual([30, 1]);
  close();
});

test('arrays move with a call and its answer instead of being copied', async () => {
  const { call, close } = connect({
    double: ({ values }: { values: Float32Array }) => Promise.resolve([{ values: values.map((x) => 2 * x) }]),
  });
  const values = Float32Array.of(1, 2);
  await expect(call('double', { values })).resolves.toEqual([{ values: Float32Array.of(2, 4) }]);
  expect(values).toHaveLength(0);
  close();
});

test('an error keeps its kind, hint and context', async () => {
  const { call, close } = connect({
    fail: () =>
      Promise.reject(new EsparseError('store', 'damaged', { hint: 'restore it', context: { block: 3 } })),
  });
  await expect(call('fail', undefined as never)).rejects.toMatchObject({
    kind: 'store',
    message: 'damaged',
    hint: 'restore it',
    context: { block: 3 },
  });
  close();
});

test('a thread that has ended fails the calls that wait and those to come', async () => {
  const { call, fail, close } = connect({ never: () => new Promise(() => undefined) });
  const waiting = call('never', undefined as never);
  fail(new Error('ended'));
  await expect(waiting).rejects.toThrow('ended');
  await expect(call('never', undefined as never)).rejects.toThrow('ended');
  close();
});
