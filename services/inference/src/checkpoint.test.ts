import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { ServeOptions } from './serve-options.ts';
import { startServer } from './server.ts';
import { EXAMPLE_MODEL, writeExampleRun } from './testing/example-store.ts';
import { DEFAULTS, RUN, type Answer } from './testing/serving.ts';

let home: string;
beforeAll(async () => {
  home = await mkdtemp(path.join(tmpdir(), 'esparse-served-'));
});
afterAll(() => rm(home, { recursive: true, force: true }));

/** Starts a server, does something with it, and stops it. */
async function served<T>(options: Partial<ServeOptions>, work: (url: string) => Promise<T>): Promise<T> {
  const server = await startServer({ ...DEFAULTS, ...options });
  try {
    return await work(server.url);
  } finally {
    await server.close();
  }
}

const json = async (url: string) => (await fetch(url)).json();

async function complete(url: string): Promise<Answer & { readonly system_fingerprint: string }> {
  const body = { model: 'llama-2m', prompt: 'Once upon a time', max_tokens: 8, temperature: 0 };
  const headers = { 'content-type': 'application/json' };
  const response = await fetch(`${url}/v1/completions`, {
    method: 'POST',
    headers,
    body: JSON.stringify(body),
  });
  return (await response.json()) as Answer & { readonly system_fingerprint: string };
}

test('a checkpoint is served as it is, under the name of its folder, and says what it is', async () => {
  await served({ model: EXAMPLE_MODEL }, async (url) => {
    const info = (await json(`${url}/info`)) as Record<string, unknown>;
    expect(info).toMatchObject({
      model: 'llama-2m',
      run: null,
      checkpoint: expect.stringMatching(/^[0-9a-f]{64}$/),
      pattern: null,
      pipeline: null,
      store_bytes: null,
      family: 'llama',
      vocabulary: 2048,
    });
    expect(await json(`${url}/v1/models`)).toMatchObject({ data: [{ id: 'llama-2m', run: null }] });
    const answer = await complete(url);
    expect(answer.choices[0]!.text).toContain('there was');
    expect(answer.system_fingerprint).toBe(info.checkpoint);
  });
});

test('a checkpoint stays when the server is asked to look for another run', async () => {
  const server = await startServer({ ...DEFAULTS, model: EXAMPLE_MODEL });
  const before = server.run();
  await server.reload();
  expect(server.run()).toBe(before);
  await server.close();
});

test('a server is started on one model: a store or a checkpoint', async () => {
  await expect(startServer(DEFAULTS)).rejects.toMatchObject({ kind: 'usage' });
  const both = startServer({ ...DEFAULTS, model: EXAMPLE_MODEL, store: home });
  await expect(both).rejects.toMatchObject({ kind: 'usage' });
});

test('copies in a cache folder are compared before they are served: one that was changed is made anew', async () => {
  const store = path.join(home, 'store');
  const cacheDirectory = path.join(home, 'cache');
  await writeExampleRun({ store, fingerprint: RUN });
  const options = { store, cacheDirectory, verify: 'full' } as const;
  const text = async (url: string) => (await complete(url)).choices[0]!.text;
  const expected = await served(options, text);
  const copies = await readdir(path.join(cacheDirectory, RUN), { recursive: true });
  const copy = path.join(
    cacheDirectory,
    RUN,
    copies.find((name) => /1.down_proj.values/.test(name))!,
  );
  const bytes = await readFile(copy);
  await writeFile(
    copy,
    bytes.map((byte) => byte ^ 0x40),
  );
  expect(await served(options, text)).toBe(expected);
  expect(await readFile(copy)).toEqual(bytes);
});
