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

test('a fault answers as often as it was asked for, and requests are told', async () => {
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

test('an object is there whole or not at all, while it is written and once the answer is there', async () => {
  server = await startS3Server();
  const url = `${server.environment.AWS_ENDPOINT_URL!}/${server.bucket}/large`;
  const bytes = 4_000_000;
  for (let time = 0; time < 5; time++) {
    const state = { written: false };
    const writing = fetch(url, { method: 'PUT', body: Buffer.alloc(bytes, time) }).then(({ status }) => {
      state.written = true;
      return status;
    });
    // The one before, or none, until it is this one.
    while (!state.written) {
      const answer = await fetch(url);
      const { length } = new Uint8Array(await answer.arrayBuffer());
      if (answer.status === 200) expect(length).toBe(bytes);
    }
    expect(await writing).toBe(200);
    const found = Buffer.from(await (await fetch(url)).arrayBuffer());
    expect(Buffer.compare(found, Buffer.alloc(bytes, time))).toBe(0);
  }
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
