import OpenAI, { type APIError } from 'openai';
import { writeFile } from 'node:fs/promises';
import { scratchFolder } from '../support/folders.ts';
import { pruneExample, serve, type ServeProcess } from '../support/serve.ts';

const at = scratchFolder();
const model = 'llama-2m';
const prompt = 'Once upon a time';
const messages = [{ role: 'user' as const, content: 'Tell me a story.' }];
const chatTemplate =
  "{% for message in messages %}{{ message['role'] + ': ' + message['content'] + '\n' }}{% endfor %}assistant:";

let server: ServeProcess;
let openai: OpenAI;

beforeAll(async () => {
  await pruneExample(at('store'), { chatTemplate });
  await writeFile(at('keys'), 'sk-test\n');
  server = await serve(
    '--store',
    at('store'),
    '--api-key-file',
    at('keys'),
    '--max-sequences',
    '4',
    '--max-queue',
    '0',
  );
  openai = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'sk-test', maxRetries: 0 });
});
afterAll(async () => {
  await server.stop();
});

/** The error that a call ends with. */
async function errorOf(call: PromiseLike<unknown>): Promise<APIError> {
  return call.then(
    () => {
      throw new Error('it did not fail');
    },
    (error: unknown) => error as APIError,
  );
}

test('the client lists and gets the model', async () => {
  const models = [];
  for await (const one of openai.models.list()) models.push(one.id);
  expect(models).toEqual([model]);
  expect(await openai.models.retrieve(model)).toMatchObject({ id: model, object: 'model' });
});

test('a completion has its text, reason and usage', async () => {
  const completion = await openai.completions.create({ model, prompt, max_tokens: 10, temperature: 0 });
  expect(completion).toMatchObject({
    object: 'text_completion',
    model,
    choices: [{ index: 0, finish_reason: 'length', logprobs: null }],
    usage: { completion_tokens: 10 },
  });
  expect(completion.choices[0]!.text.length).toBeGreaterThan(10);
});

test('a streamed completion is the whole one in pieces', async () => {
  const options = { model, prompt, max_tokens: 24, temperature: 0.8, seed: 3 };
  const whole = await openai.completions.create(options);
  const stream = await openai.completions.create({
    ...options,
    stream: true,
    stream_options: { include_usage: true },
  });
  let text = '';
  let usage;
  for await (const chunk of stream) {
    text += chunk.choices[0]?.text ?? '';
    usage = chunk.usage ?? usage;
  }
  expect(text).toBe(whole.choices[0]!.text);
  expect(usage).toEqual(whole.usage);
});

test('several prompts and texts come in their order', async () => {
  const { choices } = await openai.completions.create({
    model,
    prompt: ['The cat', 'The dog'],
    n: 2,
    max_tokens: 8,
    seed: 1,
  });
  expect(choices.map(({ index }) => index)).toEqual([0, 1, 2, 3]);
  const alone = await openai.completions.create({ model, prompt: 'The dog', max_tokens: 8, seed: 2 });
  expect(choices[3]!.text).toBe(alone.choices[0]!.text);
});

test('a stop string ends a completion before it', async () => {
  const options = { model, prompt, max_tokens: 40, temperature: 0 };
  const whole = (await openai.completions.create(options)).choices[0]!.text;
  const stop = whole.slice(10, 14);
  const { choices } = await openai.completions.create({ ...options, stop: [stop] });
  expect(choices[0]).toMatchObject({ text: whole.slice(0, whole.indexOf(stop)), finish_reason: 'stop' });
});

test('a completion reports probabilities where asked for', async () => {
  const { choices } = await openai.completions.create({
    model,
    prompt,
    max_tokens: 5,
    temperature: 0,
    logprobs: 2,
  });
  const { tokens, token_logprobs, top_logprobs, text_offset } = choices[0]!.logprobs!;
  expect(tokens!.join('')).toBe(choices[0]!.text);
  for (const list of [token_logprobs, top_logprobs, text_offset]) expect(list).toHaveLength(5);
});

test('a chat is answered, whole and streamed', async () => {
  const options = { model, messages, max_tokens: 20, temperature: 0.7, seed: 11, n: 2 };
  const whole = await openai.chat.completions.create(options);
  expect(whole).toMatchObject({
    object: 'chat.completion',
    choices: [{ message: { role: 'assistant' } }, {}],
  });
  const stream = await openai.chat.completions.create({ ...options, stream: true });
  const texts = ['', ''];
  const reasons: (string | null)[] = [];
  for await (const chunk of stream) {
    for (const { index, delta, finish_reason } of chunk.choices) {
      texts[index] = (texts[index] ?? '') + (delta.content ?? '');
      if (finish_reason !== null) reasons[index] = finish_reason;
    }
  }
  expect(texts).toEqual(whole.choices.map(({ message }) => message.content));
  expect(reasons).toEqual(whole.choices.map(({ finish_reason }) => finish_reason));
});

test('the helper that gathers a streamed chat gets the whole of it', async () => {
  const stream = openai.chat.completions.stream({ model, messages, max_tokens: 12, temperature: 0 });
  const content = await stream.finalContent();
  const whole = await openai.chat.completions.create({
    model,
    messages,
    max_completion_tokens: 12,
    temperature: 0,
  });
  expect(content).toBe(whole.choices[0]!.message.content);
});

test('a chat reports probabilities with the bytes of its tokens', async () => {
  const options = { model, messages, max_tokens: 6, temperature: 0, logprobs: true, top_logprobs: 3 };
  const { choices } = await openai.chat.completions.create(options);
  const { content } = choices[0]!.logprobs!;
  expect(Buffer.from(content!.flatMap(({ bytes }) => bytes!)).toString()).toBe(choices[0]!.message.content);
  for (const { top_logprobs, logprob } of content!) {
    expect(top_logprobs).toHaveLength(3);
    expect(top_logprobs[0]!.logprob).toBe(logprob);
  }
});

test('errors reach the client as its own classes, with their fields', async () => {
  const create = (body: object) => openai.completions.create({ model, prompt, max_tokens: 1, ...body });
  expect(await errorOf(create({ temperature: 5 }))).toMatchObject({ status: 400, param: 'temperature' });
  expect(await errorOf(create({ model: 'gpt-9' }))).toMatchObject({ status: 404, code: 'model_not_found' });
  expect(await errorOf(create({ max_tokens: 5000 }))).toMatchObject({
    status: 400,
    code: 'context_length_exceeded',
  });
  const stranger = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'sk-other', maxRetries: 0 });
  expect(await errorOf(stranger.models.list())).toMatchObject({ status: 401, code: 'invalid_api_key' });
});

test('a full server is a rate limit, which the client waits for and tries again', async () => {
  const stream = await openai.completions.create({ model, prompt, max_tokens: 500, n: 4, stream: true });
  expect(await errorOf(openai.completions.create({ model, prompt }))).toMatchObject({ status: 429 });
  const patient = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'sk-test', maxRetries: 10 });
  const waiting = patient.completions.create({ model, prompt, max_tokens: 2 });
  for await (const chunk of stream) expect(chunk.object).toBe('text_completion');
  expect((await waiting).usage!.completion_tokens).toBe(2);
});

test('a stream that the client aborts frees its place', async () => {
  const stream = await openai.completions.create({ model, prompt, max_tokens: 900, n: 4, stream: true });
  for await (const chunk of stream) {
    expect(chunk.choices).toHaveLength(1);
    stream.controller.abort();
  }
  const patient = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'sk-test', maxRetries: 3 });
  await expect(patient.completions.create({ model, prompt, n: 4 })).resolves.toBeDefined();
});
