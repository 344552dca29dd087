/** What a server does with the tokenizer and the chat template of a run, and with texts that they cannot take. */
import { mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { startServer, type RunningServer } from './server.ts';
import type { ServeOptions } from './serve-options.ts';
import { renewTokenizer, writeExampleRun } from './testing/example-store.ts';
import { CHAT_TEMPLATE, DEFAULTS, RUN } from './testing/serving.ts';

let home: string;
beforeAll(async () => {
  home = await realpath(await mkdtemp(path.join(tmpdir(), 'esparse-tokenizer-')));
});
afterAll(() => rm(home, { recursive: true, force: true }));

let server: RunningServer | undefined;
afterEach(async () => {
  await server?.close();
  server = undefined;
});

async function exampleStore(name: string): Promise<string> {
  const store = path.join(home, name);
  await writeExampleRun({ store, fingerprint: RUN });
  return store;
}

async function serve(store: string, options: Partial<ServeOptions> = {}): Promise<RunningServer> {
  server = await startServer({ ...DEFAULTS, store, ...options });
  return server;
}

function post(route: string, body: object): Promise<Response> {
  return fetch(`${server!.url}/v1/${route}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'llama-2m', max_tokens: 2, ...body }),
  });
}

const complete = (prompt: string) => post('completions', { prompt });
const chat = () => post('chat/completions', { messages: [{ role: 'user', content: 'Hello' }] });
const json = (value: object) => new TextEncoder().encode(JSON.stringify(value));

/** Crashes the tokenizers library on runs of the letter q. */
const CATASTROPHIC = String.raw`(?=(?:q|[pq])+\s\d)\w+|\w+|.`;

test('a prompt that crashes the tokenizer is 400, and the prompts beside it are answered', async () => {
  const store = await exampleStore('catastrophic');
  await renewTokenizer(store, RUN, (files) =>
    files.map((file) => {
      if (file.name !== 'tokenizer.json') return file;
      const document = JSON.parse(new TextDecoder().decode(file.bytes)) as object;
      const split = { type: 'Split', pattern: { Regex: CATASTROPHIC }, behavior: 'Isolated', invert: false };
      const bytes = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: false };
      return {
        ...file,
        bytes: json({ ...document, pre_tokenizer: { type: 'Sequence', pretokenizers: [split, bytes] } }),
      };
    }),
  );
  await serve(store);
  const bad = 'q'.repeat(60);
  const prompts = ['Once', bad, 'upon', 'a', bad, 'time'];
  const answers = await Promise.all(prompts.map(complete));
  expect(answers.map(({ status }) => status)).toEqual([200, 400, 200, 200, 400, 200]);
  expect(await answers[1]!.json()).toMatchObject({
    error: {
      code: 'text_not_tokenizable',
      param: 'prompt',
      message: expect.stringContaining('retry-limit-in-match over'),
    },
  });
});

test('a chat template that was added to a run that is served is used after a look at the store', async () => {
  const store = await exampleStore('renewed');
  const running = await serve(store);
  expect((await chat()).status).toBe(400);
  await renewTokenizer(store, RUN, (files) => [
    ...files,
    { name: 'chat_template.jinja', bytes: new TextEncoder().encode(CHAT_TEMPLATE) },
  ]);
  await running.reload();
  expect((await chat()).status).toBe(200);
  expect(running.run()).toBe(RUN);
});

test('a chat template of a file is used instead of the checkpoint’s; one that is no template ends the start', async () => {
  const store = await exampleStore('from-file');
  const file = path.join(home, 'chat.jinja');
  await writeFile(file, CHAT_TEMPLATE);
  await serve(store, { chatTemplateFile: file });
  expect((await chat()).status).toBe(200);
  for (const [source, message] of [
    ['{% for %}', /does not write a chat of one message/],
    ["{{ raise_exception('no') }}", /does not write a chat of one message.*no/],
  ] as const) {
    await writeFile(file, source);
    await expect(startServer({ ...DEFAULTS, store, chatTemplateFile: file })).rejects.toMatchObject({
      kind: 'usage',
      message: expect.stringMatching(message),
    });
  }
  const missing = path.join(home, 'missing.jinja');
  await expect(startServer({ ...DEFAULTS, store, chatTemplateFile: missing })).rejects.toMatchObject({
    kind: 'usage',
    message: expect.stringContaining('missing.jinja'),
  });
});
