import type { Metadata } from '@grpc/grpc-js';
import { EsparseError } from '@esparse/errors';
import { PROTOCOL_VERSION } from '@esparse/protocol';
import { createOpenRun } from './open-run.ts';
import type { ComputeThread } from './start-compute.ts';

const REF = {
  protocolVersion: PROTOCOL_VERSION,
  model: 'm',
  store: 's',
  run: '0123456789abcdef',
  seqlen: 8,
  numerics: '',
  modelDigest: '',
  branches: {},
};

/** Opens runs with a model that is always there; says what was opened and sent. */
function opener(guard = (_: string, requested: string) => Promise.resolve(`/root/${requested}`)) {
  const opened: unknown[] = [];
  const sent: Metadata[] = [];
  const call = ((_: string, target: unknown) => {
    opened.push(target);
    return Promise.resolve({ numerics: 'n', modelDigest: 'd', family: 'llama', blocks: 2 });
  }) as ComputeThread['call'];
  const openRun = createOpenRun(guard, { call });
  const sendMetadata = (metadata: Metadata) => sent.push(metadata);
  return {
    open: (change: object | null) => openRun(change && { ...REF, ...change }, { sendMetadata }),
    opened,
    sent,
  };
}

test('a run is opened under the paths that the guard gives, and the client learns who answers', async () => {
  const { open, opened, sent } = opener();
  expect(await open({})).toEqual({
    model: '/root/m',
    store: '/root/s',
    run: REF.run,
    seqlen: 8,
    branches: {},
  });
  expect(opened).toEqual([{ model: '/root/m', seqlen: 8, branches: {} }]);
  expect(sent.map((metadata) => metadata.getMap())).toEqual([
    { 'esparse-numerics': 'n', 'esparse-model': 'd' },
  ]);
});

test.each<[string, object | null, string]>([
  ['names no run', null, 'protocol'],
  ['speaks another version', { protocolVersion: PROTOCOL_VERSION + 1 }, 'protocol'],
  ['names a run that is not a fingerprint', { run: '../../etc' }, 'usage'],
])('a request that %s is refused before anything is opened', async (_, change, kind) => {
  const { open, opened, sent } = opener();
  await expect(open(change)).rejects.toMatchObject({ kind });
  expect([opened, sent]).toEqual([[], []]);
});

test('a path that the guard refuses is not opened', async () => {
  const { open, opened } = opener(() => Promise.reject(new EsparseError('denied', 'not served')));
  await expect(open({})).rejects.toMatchObject({ kind: 'denied' });
  expect(opened).toEqual([]);
});

test.each([
  ['numerics', { numerics: 'other' }, 'usage'],
  ['a model', { modelDigest: 'other' }, 'checkpoint'],
] as const)(
  'a run that was begun with %s of another kind is refused, and the client still learns who answered',
  async (_, change, kind) => {
    const { open, sent } = opener();
    await expect(open(change)).rejects.toMatchObject({ kind });
    expect(sent).toHaveLength(1);
  },
);
