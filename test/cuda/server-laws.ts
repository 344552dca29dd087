/**
 * What holds of `esparse serve --device cuda`, on a machine with a GPU: a part of `npm run test:cuda`. The official client
 * of OpenAI's API talks to it; 200 clients stream from it.
 *
 * ESPARSE_TEST_DEVICE: another device than `cuda`; ESPARSE_TEST_SECONDS: how long the clients stream, 60 by default.
 */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import OpenAI, { APIError } from 'openai';
import { writeRandomStore } from '../support/random-store.ts';
import { serve, type ServeProcess } from '../support/serve.ts';
import { connections, metricOf, stream, type Ask, type Streamed } from './streaming-clients.ts';

const { ESPARSE_TEST_DEVICE: device = 'cuda', ESPARSE_TEST_SECONDS: seconds = '60' } = process.env;
const SHAPE = { hidden: 512, intermediate: 1408, blocks: 4, heads: 8, kvHeads: 2, vocab: 2048 };
const CLIENTS = 200;
const model = 'random';
const prompt = 'once upon a time';
const messages = [{ role: 'user' as const, content: 'tell me a story' }];
const CHAT =
  "{% for message in messages %}{{ message['role'] + ': ' + message['content'] + '\n' }}{% endfor %}assistant:";

let folder: string;
let server: ServeProcess;
let openai: OpenAI;
before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'esparse-cuda-'));
  const store = path.join(folder, 'store');
  await writeRandomStore(store, SHAPE, '2:4');
  const [keys, template] = [path.join(folder, 'keys'), path.join(folder, 'template')];
  await writeFile(keys, 'sk-test\n');
  await writeFile(template, CHAT);
  server = await serve(
    ...['--store', store, '--device', device, '--model-name', model, '--verify', 'none'],
    ...['--chat-template', template, '--max-context', '2048'],
  );
  openai = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'sk-test', maxRetries: 0 });
});
after(async () => {
  await server.stop();
  await rm(folder, { recursive: true });
});

test('the client lists the model, and errors reach it as its own classes', async () => {
  const names: string[] = [];
  for await (const one of openai.models.list()) names.push(one.id);
  assert.deepEqual(names, [model]);
  const errors = [
    [{ temperature: 5 }, 400],
    [{ model: 'gpt-9' }, 404],
    [{ max_tokens: 5000 }, 400],
  ] as const;
  for (const [body, status] of errors) {
    await assert.rejects(
      async () => openai.completions.create({ model, prompt, ...body }),
      (error) => error instanceof APIError && error.status === status,
    );
  }
});

test('a completion has its text, reason and usage; a streamed one is the same in pieces', async () => {
  for (const how of [
    { temperature: 0 },
    { temperature: 0.8, seed: 3 },
    { temperature: 1, top_p: 0.9, seed: 4 },
  ]) {
    const options = { model, prompt, max_tokens: 24, ...how };
    const whole = await openai.completions.create(options);
    assert.equal(whole.usage?.completion_tokens, 24);
    assert.equal(whole.choices[0]!.finish_reason, 'length');
    const chunks = await openai.completions.create({
      ...options,
      stream: true,
      stream_options: { include_usage: true },
    });
    let [text, usage] = ['', {} as OpenAI.CompletionUsage | null | undefined];
    for await (const chunk of chunks) {
      text += chunk.choices[0]?.text ?? '';
      usage = chunk.usage ?? usage;
    }
    assert.equal(text, whole.choices[0]!.text);
    assert.deepEqual(usage, whole.usage);
  }
});

test('several prompts and texts come in their order, each as it is alone', async () => {
  const options = { model, max_tokens: 8, temperature: 1 };
  const { choices } = await openai.completions.create({
    ...options,
    prompt: ['the cat', 'the dog'],
    n: 2,
    seed: 1,
  });
  assert.deepEqual(
    choices.map(({ index }) => index),
    [0, 1, 2, 3],
  );
  const alone = await openai.completions.create({ ...options, prompt: 'the dog', seed: 2 });
  assert.equal(choices[3]!.text, alone.choices[0]!.text);
});

test('a stop string ends a text before it', async () => {
  const options = { model, prompt, max_tokens: 40, temperature: 0 };
  const whole = (await openai.completions.create(options)).choices[0]!.text;
  const stop = whole.slice(10, 14);
  const { choices } = await openai.completions.create({ ...options, stop: [stop] });
  assert.equal(choices[0]!.text, whole.slice(0, whole.indexOf(stop)));
  assert.equal(choices[0]!.finish_reason, 'stop');
});

test('probabilities are told where they are asked for, and change no text', async () => {
  const options = { model, prompt, max_tokens: 12, temperature: 0.7, seed: 6 };
  const { choices } = await openai.completions.create({ ...options, logprobs: 2 });
  const { tokens, token_logprobs: own, top_logprobs: top } = choices[0]!.logprobs!;
  assert.equal(tokens!.join(''), choices[0]!.text);
  assert.equal(top!.length, 12);
  assert.ok(own!.every((value) => value <= 0));
  assert.equal((await openai.completions.create(options)).choices[0]!.text, choices[0]!.text);
  const echoed = await openai.completions.create({ ...options, logprobs: 1, echo: true, max_tokens: 0 });
  assert.ok(echoed.choices[0]!.text.startsWith(prompt));
});

test('a chat is answered, whole and streamed', async () => {
  const options = { model, messages, max_tokens: 20, temperature: 0.7, seed: 11, n: 2 };
  const whole = await openai.chat.completions.create(options);
  const texts = ['', ''];
  for await (const chunk of await openai.chat.completions.create({ ...options, stream: true })) {
    for (const { index, delta } of chunk.choices) texts[index] = texts[index]! + (delta.content ?? '');
  }
  assert.deepEqual(
    texts,
    whole.choices.map(({ message }) => message.content),
  );
});

test('a stream that its client aborts frees its place within a step', async () => {
  const chunks = await openai.completions.create({ model, prompt, max_tokens: 900, n: 4, stream: true });
  for await (const chunk of chunks) {
    assert.equal(chunk.choices.length, 1);
    chunks.controller.abort();
  }
  const ended = performance.now();
  while ((await metricOf(server.url, 'running_sequences')) > 0) {
    assert.ok(performance.now() - ended < 1000, 'its places are still held after a second');
  }
});

test(`${CLIENTS} clients stream for ${seconds} s: every answer is whole, and the text that it is alone`, async (t) => {
  const starts = [prompt, 'the king of the valley said that', 'a', 'in the company'];
  const asks = Array.from({ length: 48 }, (_, i): Ask => ({
    prompt: new Array<string>(1 + (i % 7) * 3).fill(starts[i % starts.length]!).join(' '),
    ...{ max_tokens: 16 + (i % 6) * 16, temperature: i % 2, seed: i },
    ...(i % 4 === 3 && { top_p: 0.9 }),
    ...(i % 8 === 5 && { top_k: 40 }),
  }));
  const agent = connections(CLIENTS);
  const alone = new Map<Ask, string>();
  for (const ask of asks) alone.set(ask, (await stream(server.url, model, ask, agent)).text);
  const before = await metricOf(server.url, 'generated_tokens_total');
  const started = performance.now();
  const end = started + 1000 * Number(seconds);
  let answers = 0;
  const client = async (first: number) => {
    for (let turn = first; performance.now() < end; turn++) {
      const ask = asks[turn % asks.length]!;
      const { status, text, complete } = await stream(server.url, model, ask, agent);
      assert.deepEqual([status, complete, text], [200, true, alone.get(ask)], JSON.stringify(ask));
      answers++;
    }
  };
  await Promise.all(Array.from({ length: CLIENTS }, (_, i) => client(i)));
  const took = (performance.now() - started) / 1000;
  const tokens = (await metricOf(server.url, 'generated_tokens_total')) - before;
  agent.destroy();
  t.diagnostic(`${answers} answers, ${(tokens / took).toFixed(0)} tokens a second`);
  assert.equal(await metricOf(server.url, 'running_sequences'), 0);
  assert.ok(answers >= CLIENTS);
});

test('SIGTERM lets streams end, and the server ends with 0', { timeout: 60_000 }, async () => {
  const agent = connections(4);
  const asks = [0, 1, 2, 3].map((seed) => ({ prompt, max_tokens: 1000, temperature: 1, seed }));
  const streams: Promise<Streamed>[] = [];
  // The first pieces, not a number in /metrics: a GPU can have ended a text before it is asked for.
  const begun = asks.map(
    (ask) => new Promise<void>((resolve) => streams.push(stream(server.url, model, ask, agent, resolve))),
  );
  await Promise.all(begun);
  assert.equal(await server.stop(), 0);
  for (const { status, complete } of await Promise.all(streams))
    assert.deepEqual([status, complete], [200, true]);
});
