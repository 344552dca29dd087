import { startS3Server, type S3Server } from './index.ts';

let server: S3Server;
afterEach(() => server.stop());

/** Puts an object without a signature, which s3rver allows; gives the status. */
async function put(key: string, headers: Record<string, string> = {}): Promise<number> {
  const url = `${server.environment.AWS_ENDPOINT_URL!}/${server.bucket}/${key}`;
  return (await fetch(url, { method: 'PUT', body: key, headers })).status;
}

test('a put that must make an object is refused where there is one, and only then', async () => {
  server = await startS3Server();
  const made = { 'if-none-match': '*' };
  expect(await put('a', made)).toBe(200);
  expect(await put('a', made)).toBe(412);
  expect(await put('b', made)).toBe(200);
  expect(await put('a')).toBe(200);
});

test('without conditions it writes whatever was asked', async () => {
  server = await startS3Server({ conditional: false });
  expect(await put('a')).toBe(200);
  expect(await put('a', { 'if-none-match': '*' })).toBe(200);
});

test('a fault answers as often as it was asked for, and requests are reported', async () => {
  server = await startS3Server();
  await server.fault({ method: 'PUT', url: '/a$', times: 2, status: 503, code: 'SlowDown' });
  expect([await put('a'), await put('b'), await put('a'), await put('a')]).toEqual([503, 200, 503, 200]);
  expect(await server.requests()).toEqual([
    `PUT /${server.bucket}/a`,
    `PUT /${server.bucket}/b`,
    `PUT /${server.bucket}/a`,
    `PUT /${server.bucket}/a`,
  ]);
});

/** Versions of one object, by the byte of which they are made. */
const VERSIONS = [Buffer.alloc(4_000_000, 0), Buffer.alloc(1_000, 1), Buffer.alloc(2_000_000, 2)];
const WRITES = 12;

test('an object is there whole or not at all, while versions of other lengths take its place', async () => {
  server = await startS3Server();
  const url = `${server.environment.AWS_ENDPOINT_URL!}/${server.bucket}/large`;
  const state = { written: false };
  const etags = new Set<string>();
  const write = async () => {
    for (let time = 0; time < WRITES; time++) {
      const body = VERSIONS[time % VERSIONS.length]!;
      expect((await fetch(url, { method: 'PUT', body })).status).toBe(200);
      // Once the answer is there, so is the object.
      expect(await read()).toBe(body[0]);
    }
    state.written = true;
  };
  /** Which version it was. */
  const read = async () => {
    const answer = await fetch(url);
    expect(answer.status).toBe(200);
    const found = Buffer.from(await answer.arrayBuffer());
    expect(VERSIONS.some((version) => version.equals(found))).toBe(true);
    etags.add(`${answer.headers.get('etag')!} of ${found[0]}`);
    return found[0];
  };
  const readOn = async () => {
    while (!state.written) await read();
  };
  expect((await fetch(url)).status).toBe(404);
  await fetch(url, { method: 'PUT', body: VERSIONS[0]! });
  await Promise.all([write(), readOn(), readOn()]);
  expect(etags.size).toBe(VERSIONS.length);
});

test('a list is one of whole objects, while objects come, change and go', async () => {
  server = await startS3Server();
  const bucket = `${server.environment.AWS_ENDPOINT_URL!}/${server.bucket}`;
  const state = { written: false };
  const write = async () => {
    for (let time = 0; time < WRITES; time++) {
      const body = VERSIONS[time % VERSIONS.length]!;
      expect((await fetch(`${bucket}/large`, { method: 'PUT', body })).status).toBe(200);
    }
    state.written = true;
  };
  // Two in one folder, which is removed whenever both are.
  const comeAndGo = async (name: string) => {
    while (!state.written) {
      expect((await fetch(`${bucket}/folder/${name}`, { method: 'PUT', body: name })).status).toBe(200);
      expect((await fetch(`${bucket}/folder/${name}`, { method: 'DELETE' })).status).toBe(204);
    }
  };
  const sizes = [...VERSIONS.map(({ length }) => length), 1];
  const list = async () => {
    while (!state.written) {
      const answer = await fetch(`${bucket}?list-type=2`);
      expect(answer.status).toBe(200);
      for (const [, size] of (await answer.text()).matchAll(/<Size>(\d+)</g)) {
        expect(sizes).toContain(Number(size));
      }
    }
  };
  await Promise.all([write(), comeAndGo('a'), comeAndGo('b'), list()]);
});

test('a server that was killed is the same one after a restart: its address, its objects', async () => {
  server = await startS3Server();
  expect(await put('kept')).toBe(200);
  await server.kill();
  await expect(put('lost')).rejects.toThrow();
  await server.restart();
  const answer = await fetch(`${server.environment.AWS_ENDPOINT_URL!}/${server.bucket}/kept`);
  expect(await answer.text()).toBe('kept');
  expect(await server.requests()).toEqual([`GET /${server.bucket}/kept`]);
});
