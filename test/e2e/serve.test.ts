import { once } from 'node:events';
import { cp, open, readdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { esparse } from '../support/esparse.ts';
import { scratchFolder } from '../support/folders.ts';
import { pruneExample, serve } from '../support/serve.ts';

const at = scratchFolder();
beforeAll(async () => {
  await pruneExample(at('store'));
  await cp(at('store'), at('bad'), { recursive: true });
});

const complete = (url: string, body: object) =>
  fetch(`${url}/v1/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'llama-2m', prompt: 'Once upon a time', ...body }),
  });

test('serve says where it listens, answers, and ends with 0 on SIGTERM, after its streams', async () => {
  const server = await serve('--store', at('store'), '--threads', '1');
  expect(server.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
  const response = await complete(server.url, { max_tokens: 300, stream: true });
  const text = response.text();
  const code = server.stop();
  expect(await text).toMatch(/data: \[DONE\]\n\n$/);
  expect(await code).toBe(0);
  expect(server.log.some((line) => line.includes('"server stopped"'))).toBe(true);
});

test('SIGHUP serves the new current run, and options come from the environment too', async () => {
  process.env.ESPARSE_MODEL_NAME = 'mine';
  const server = await serve('--store', at('store'));
  delete process.env.ESPARSE_MODEL_NAME;
  const fingerprint = async () => {
    const info = (await (await fetch(`${server.url}/info`)).json()) as { run: string; model: string };
    expect(info.model).toBe('mine');
    return info.run;
  };
  const before = await fingerprint();
  await pruneExample(at('store'), { args: ['--pattern', '1:4'] });
  expect(await fingerprint()).toBe(before);
  server.child.kill('SIGHUP');
  while ((await fingerprint()) === before) await sleep(50);
  expect((await complete(server.url, { model: 'mine', max_tokens: 1 })).status).toBe(200);
  expect(await server.stop()).toBe(0);
});

test('a damaged store, a folder that is none, a missing run, and bad options end with 2 and say what is wrong', async () => {
  const refused = async (words: RegExp, ...args: string[]) => {
    const { code, stderr } = await esparse('serve', '--port', '0', '--log-level', 'silent', ...args);
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringMatching(words) });
  };
  await refused(/not an esparse store|no such|ENOENT/, '--store', at('nowhere'));
  await refused(/has no run/, '--store', at('store'), '--run', 'ffffffff');
  await refused(/API keys/, '--store', at('store'), '--api-key-file', at('nokeys'));
  await writeFile(at('empty'), '');
  await refused(/not a file of API keys/, '--store', at('store'), '--api-key-file', at('empty'));
  await refused(
    /HTTP has no TLS/,
    '--store',
    at('store'),
    '--tls-cert',
    at('empty'),
    '--tls-key',
    at('empty'),
  );
  process.env.ESPARSE_INSECURE = 'false';
  await refused(/in clear text and by anybody/, '--store', at('store'), '--grpc', '0.0.0.0:0');
  delete process.env.ESPARSE_INSECURE;
  await refused(/model-name.*is empty/, '--store', at('store'), '--model-name', '');
  await refused(/max-sequences/, '--store', at('store'), '--max-sequences', '0');

  const runs = at('bad', 'runs');
  const run = (await readdir(runs)).find((name) => /^[0-9a-f]{32}$/.test(name))!;
  const chunk = path.join(runs, run, 'blocks/0/q_proj/values/c/0/0/0');
  const file = await open(chunk, 'r+');
  await file.write(Buffer.from([1, 2, 3]), 0, 3, 1000);
  await file.close();
  await refused(/q_proj\/values/, '--store', at('bad'));
  await rm(path.join(runs, run, 'blocks/3'), { recursive: true });
  await refused(/blocks?[ /]3/, '--store', at('bad'));
});

test('a second signal ends a server that drains', async () => {
  const server = await serve('--store', at('store'));
  const response = await complete(server.url, { max_tokens: 1000, stream: true, n: 8 });
  const exited = once(server.child, 'exit');
  server.child.kill('SIGTERM');
  // Two signals that wait for a busy process are one.
  while (!server.log.some((line) => line.includes('"draining"'))) await sleep(5);
  server.child.kill('SIGTERM');
  await expect(response.text()).rejects.toThrow();
  const [code, signal] = (await exited) as [number | null, string | null];
  expect([code, signal]).toEqual([null, 'SIGTERM']);
});
