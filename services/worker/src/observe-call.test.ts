import { PassThrough } from 'node:stream';
import { Metadata } from '@grpc/grpc-js';
import { pino } from 'pino';
import { observeCall } from './observe-call.ts';

async function logged(run: string): Promise<Record<string, unknown>> {
  const stream = new PassThrough();
  const call = { request: { run: { run }, block: 2, shard: 7 }, metadata: new Metadata() };
  const observers = { log: pino({ level: 'debug' }, stream) };
  await observeCall(observers, 'OpenModel', call, () => Promise.resolve());
  return JSON.parse(String(stream.read())) as Record<string, unknown>;
}

test('a line of the log names call, run, block and shards', async () => {
  expect(await logged('ab'.repeat(16))).toMatchObject({
    call: 'OpenModel',
    run: 'ab'.repeat(16),
    block: 2,
    shards: [7],
  });
});

test('a run that has no name yet, all zeros, is not named, nor is what looks like none', async () => {
  for (const run of ['0'.repeat(32), '', 'x\ny', 'AB'.repeat(16)])
    expect(await logged(run)).not.toHaveProperty('run');
});
