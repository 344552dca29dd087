import { readFile, writeFile } from 'node:fs/promises';
import { Server, ServerCredentials, status } from '@grpc/grpc-js';
import {
  clientCredentials,
  connectWorker,
  InferenceClient,
  isLoopback,
  serverCredentials,
  type ClientTls,
  type GenerateReply__Output,
} from '@esparse/protocol';
import { createAuthority, type Authority } from '../support/certificates.ts';
import { esparse, esparseJson } from '../support/esparse.ts';
import { scratchFolder } from '../support/folders.ts';
import { EXAMPLE_CALIBRATION, EXAMPLE_MODEL } from '../support/repository.ts';
import { serve } from '../support/serve.ts';
import { startWorkerProcess, type WorkerProcess } from '../support/workers.ts';

const at = scratchFolder();
let ours: Authority;
let theirs: Authority;
let server: { cert: string; key: string };
let client: { cert: string; key: string };
let mutual: WorkerProcess;

beforeAll(async () => {
  [ours, theirs] = await Promise.all([createAuthority(at(), 'ours'), createAuthority(at(), 'theirs')]);
  [server, client] = await Promise.all([ours.issue('server'), ours.issue('client')]);
  mutual = await startWorkerProcess(
    ...['--threads', '1', '--root', EXAMPLE_MODEL, '--root', at()],
    ...['--tls-cert', server.cert, '--tls-key', server.key, '--tls-client-ca', ours.ca],
  );
});
afterAll(() => mutual.end('SIGKILL'));

/** What the worker says of itself to a client with these files. */
async function describe_(address: string, tls: ClientTls): Promise<unknown> {
  const worker = connectWorker(address, await clientCredentials(tls, [address]));
  try {
    return await worker.describe();
  } finally {
    worker.close();
  }
}

const PRUNE = [
  '--model',
  EXAMPLE_MODEL,
  '--calibration',
  EXAMPLE_CALIBRATION,
  '--samples',
  '2',
  '--seqlen',
  '32',
];

test('prune and a worker speak mutual TLS, and no key is in the log', async () => {
  const tls = ['--tls-ca', ours.ca, '--tls-cert', client.cert, '--tls-key', client.key];
  const report = await esparseJson(
    'prune',
    ...PRUNE,
    '--store',
    at('tls'),
    '--worker',
    mutual.address,
    ...tls,
  );
  expect(report).toMatchObject({ event: 'finished' });
  const log = mutual.log.join('\n');
  expect(log).toContain('mutual TLS');
  for (const line of (await readFile(server.key, 'utf8')).split('\n').slice(1, 4))
    expect(log).not.toContain(line);
});

test("serve's gRPC speaks TLS to its clients, and refuses who has no certificate", async () => {
  const files = ['--tls-cert', server.cert, '--tls-key', server.key, '--tls-client-ca', ours.ca];
  const running = await serve('--store', at('tls'), '--grpc', '127.0.0.1:0', '--threads', '1', ...files);
  try {
    const addressOf = () => /"grpc":"([^"]+)"/.exec(running.log.join('\n'))?.[1];
    while (addressOf() === undefined) await new Promise(setImmediate);
    const address = addressOf()!;
    const generate = async (tls: ClientTls) => {
      const target = new InferenceClient(address, await clientCredentials(tls, [address]));
      try {
        let tokens = 0;
        for await (const reply of target.Generate({ text: 'Once', maxTokens: 2 }))
          tokens = (reply as GenerateReply__Output).usage?.completionTokens ?? tokens;
        return tokens;
      } finally {
        target.close();
      }
    };
    await expect(generate({ tlsCa: ours.ca, tlsCert: client.cert, tlsKey: client.key })).resolves.toBe(2);
    await expect(generate({ tlsCa: ours.ca })).rejects.toMatchObject({ code: status.UNAVAILABLE });
    await expect(generate({})).rejects.toMatchObject({ code: status.UNAVAILABLE });
  } finally {
    await running.stop();
  }
});

test.each<[string, () => Promise<ClientTls> | ClientTls]>([
  ['speaks clear text', () => ({})],
  ['has no certificate', () => ({ tlsCa: ours.ca })],
  ['trusts another authority', () => ({ tlsCa: theirs.ca, tlsCert: client.cert, tlsKey: client.key })],
  [
    'has a certificate of another authority',
    async () => {
      const foreign = await theirs.issue('foreign');
      return { tlsCa: ours.ca, tlsCert: foreign.cert, tlsKey: foreign.key };
    },
  ],
])('a client that %s is refused by the handshake', async (_, tls) => {
  await expect(describe_(mutual.address, await tls())).rejects.toMatchObject({ kind: 'unavailable' });
});

test('a certificate that expired while its server ran is refused, and so is clear text where TLS is asked for', async () => {
  const expired = await ours.issue('expired', -1);
  const [cert, key] = await Promise.all([readFile(expired.cert), readFile(expired.key)]);
  for (const credentials of [
    ServerCredentials.createSsl(null, [{ cert_chain: cert, private_key: key }]),
    ServerCredentials.createInsecure(),
  ]) {
    const old = new Server();
    const port = await new Promise<number>((resolve, reject) => {
      old.bindAsync('127.0.0.1:0', credentials, (error, bound) => {
        if (error === null) resolve(bound);
        else reject(error);
      });
    });
    const refused = describe_(`127.0.0.1:${port}`, { tlsCa: ours.ca });
    await expect(refused).rejects.toMatchObject({ kind: 'unavailable' });
    old.forceShutdown();
  }
});

test('the error says why no worker can be reached: here, who signed its certificate', async () => {
  const args = ['--store', at('refused'), '--worker', mutual.address, '--tls-ca', theirs.ca];
  const { code, stderr } = await esparse('prune', ...PRUNE, ...args);
  expect(code).toBe(75);
  expect(stderr).toMatch(/no worker could be reached.*certificate/);
});

test('files are checked at the start, and named', async () => {
  const listen = '127.0.0.1:0';
  const credentialsOf = (tlsCert?: string, tlsKey?: string, tlsClientCa?: string) =>
    serverCredentials({ tlsCert, tlsKey, tlsClientCa }, listen, '--listen');
  await writeFile(at('noise'), 'no PEM');
  const expired = await ours.issue('old', -1);
  const cases: [() => Promise<unknown>, RegExp][] = [
    [() => credentialsOf(at('missing'), server.key), /--tls-cert .*missing cannot be read: ENOENT/],
    [() => credentialsOf(at('noise'), server.key), /--tls-cert .*noise is not a PEM file with certificates/],
    [() => credentialsOf(server.cert, at('noise')), /--tls-key .*noise is not a PEM file with a private key/],
    [
      () => credentialsOf(server.cert, client.key),
      /--tls-key .*client\.key\.pem is not the key of the certificate in/,
    ],
    [
      () => credentialsOf(expired.cert, expired.key),
      /--tls-cert .*old\.cert\.pem: the certificate has expired/,
    ],
    [() => credentialsOf(server.cert, undefined), /given together/],
    [() => credentialsOf(undefined, undefined, ours.ca), /--tls-client-ca needs/],
    [
      () => credentialsOf(server.cert, server.key, server.key),
      /--tls-client-ca .*server\.key\.pem is not a PEM file with cert/,
    ],
    [() => clientCredentials({ tlsCa: at('noise') }, []), /--tls-ca .*noise is not/],
  ];
  for (const [refused, message] of cases) {
    await expect(refused()).rejects.toMatchObject({ kind: 'usage', message: expect.stringMatching(message) });
  }
});

test('clear text beyond this machine needs --insecure, on both sides', async () => {
  const served = await esparse('worker', '--listen', '0.0.0.0:0', '--root', at());
  expect(served).toMatchObject({ code: 2, stderr: expect.stringMatching(/other hosts.*\n.*--insecure/) });
  const pruned = await esparse('prune', ...PRUNE, '--store', at('far'), '--worker', 'dns:///workers:7070');
  expect(pruned).toMatchObject({ code: 2, stderr: expect.stringMatching(/another host.*\n.*--insecure/) });
  await expect(serverCredentials({ insecure: true }, '0.0.0.0:0', '--listen')).resolves.toBeDefined();
  await expect(clientCredentials({ insecure: true }, ['far:1'])).resolves.toBeDefined();
});

test('loopback addresses are told apart from names that only look like them', () => {
  for (const near of [
    '127.0.0.1:1',
    'localhost:1',
    '[::1]:1',
    'dns:///localhost:1',
    'ipv4:127.0.0.1:1,127.0.0.2:1',
  ])
    expect(isLoopback(near)).toBe(true);
  for (const far of ['0.0.0.0:1', '[::]:1', 'localhost.evil:1', '127.0.0.1.evil:1', 'dns:///workers:1'])
    expect(isLoopback(far)).toBe(false);
  expect(isLoopback('ipv4:127.0.0.1:1,10.0.0.1:1')).toBe(false);
});
