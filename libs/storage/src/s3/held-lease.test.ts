import { clocks } from '../clocks.ts';
import { answeringBucket, s3Refusal, type Asked } from '../testing/answering-bucket.ts';
import { Bucket } from './bucket.ts';
import { HeldLease } from './held-lease.ts';
import { leaseOf, type Holder } from './lease-object.ts';

const holder: Holder = {
  pid: 7,
  host: 'here',
  since: '2024-05-06T07:08:09.000Z',
  machine: 'boot/pid',
  token: '00000000-0000-4000-8000-000000000000',
  beat: 0,
};
const another: Holder = {
  ...holder,
  pid: 8,
  host: 'elsewhere',
  token: '00000000-0000-4000-8000-000000000001',
};

/** Requests of one held lease, renewed `times` times by hand of the clock. */
async function renewed(times: number, answer: (asked: Asked, count: number) => unknown, conditional = true) {
  jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick', 'queueMicrotask', 'performance', 'Date'] });
  const bucket = answeringBucket(answer);
  const lease = new HeldLease({
    bucket: new Bucket({ bucket: 'models', prefix: 'store' }, bucket),
    holder,
    etag: '"0"',
    conditional,
    since: clocks(),
  });
  for (let i = 0; i < times; i++) {
    jest.advanceTimersByTime(10_000);
    for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
  }
  return { lease, asked: bucket.asked };
}
afterEach(() => jest.useRealTimers());

const found = (by: Holder, ETag: string) => ({
  ETag,
  Body: { transformToByteArray: () => Promise.resolve(leaseOf(by)) },
});
const beatOf = ({ input }: Asked) =>
  (JSON.parse(Buffer.from(input.Body as Uint8Array).toString()) as Holder).beat;

test('each renewal replaces the version that the one before wrote, and is another version', async () => {
  const { lease, asked } = await renewed(3, (_, count) => ({ ETag: `"${count}"` }));
  expect(asked.map(({ command, input }) => [command, input.Key, input.IfMatch])).toEqual([
    ['PutObject', 'store/.esparse-writer.json', '"0"'],
    ['PutObject', 'store/.esparse-writer.json', '"1"'],
    ['PutObject', 'store/.esparse-writer.json', '"2"'],
  ]);
  expect(asked.map(beatOf)).toEqual([1, 2, 3]);
  expect(lease.lost).toBeUndefined();
  expect(lease.caution).toBeUndefined();
});

test('a lease that another holds is lost, and is not written again', async () => {
  const { lease, asked } = await renewed(3, ({ command }) => {
    if (command === 'GetObject') return found(another, '"5"');
    if (command === 'HeadObject') return { ETag: '"5"', Metadata: {} };
    throw s3Refusal('PreconditionFailed', 412);
  });
  expect(lease.lost).toMatchObject({
    kind: 'locked',
    message: 'the lease of s3://models/store was taken by process 8 on host elsewhere',
  });
  expect(asked.filter(({ command }) => command === 'PutObject')).toHaveLength(1);
});

test('a lease of our own in a version not yet seen, of a renewal whose answer was lost, is renewed from there', async () => {
  const { lease, asked } = await renewed(1, ({ command, input }) => {
    if (command === 'GetObject') return found(holder, '"9"');
    if (command === 'HeadObject') return { ETag: '"9"', Metadata: {} };
    if (input.IfMatch === '"9"') return { ETag: '"10"' };
    throw s3Refusal('PreconditionFailed', 412);
  });
  expect(lease.lost).toBeUndefined();
  expect(asked.at(-1)!.input.IfMatch).toBe('"9"');
});

test('a server that is out of reach is asked again, until the lease counts as lost by its age', async () => {
  const { lease, asked } = await renewed(4, () => {
    throw s3Refusal('SlowDown', 503);
  });
  expect(asked).toHaveLength(4);
  expect(lease.lost).toBeUndefined();
  jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick', 'queueMicrotask', 'performance'] });
  jest.setSystemTime(Date.now() + 46_000);
  expect(lease.lost).toMatchObject({ message: expect.stringContaining('could not be renewed in time') });
});

test('without conditional writes it looks before it writes, and warns', async () => {
  const ours = await renewed(
    1,
    ({ command }) => (command === 'GetObject' ? found(holder, '"1"') : {}),
    false,
  );
  expect(ours.asked.map(({ command }) => command)).toEqual(['GetObject', 'PutObject']);
  expect(ours.lease.caution).toMatch(/ignores conditional writes/);
  const theirs = await renewed(1, () => found(another, '"1"'), false);
  expect(theirs.asked.map(({ command }) => command)).toEqual(['GetObject']);
  expect(theirs.lease.lost).toMatchObject({ kind: 'locked' });
});
