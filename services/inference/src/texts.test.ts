import { SAMPLING_OPTIONS } from '@esparse/engine';
import { snakeCase } from './api/snake-case.ts';
import { events, eventually, serving, type Answer } from './testing/serving.ts';

const server = serving({ maxSequences: 8 });
const COMPLETIONS = '/v1/completions';
const PROMPTS = ['Once upon a time', 'The', 'A little dog ran to the park and', 'He said'];

/** All the text of a stream, and its chunks. */
async function streamed(body: object) {
  const response = await server.post(COMPLETIONS, { model: 'llama-2m', stream: true, ...body });
  expect(response.status).toBe(200);
  expect(response.headers.get('content-type')).toMatch(/^text\/event-stream/);
  const texts: string[] = [];
  const chunks: Answer[] = [];
  let last = '';
  for await (const data of events(response)) {
    last = data;
    if (data === '[DONE]') continue;
    const chunk = JSON.parse(data) as Answer;
    chunks.push(chunk);
    for (const { index, text } of chunk.choices) texts[index] = (texts[index] ?? '') + text;
  }
  expect(last).toBe('[DONE]');
  return { texts, chunks };
}

test('a text has as many tokens as asked for, and the usage says so', async () => {
  const { choices, usage, ...head } = await server.ask(COMPLETIONS, {
    prompt: PROMPTS[0],
    max_tokens: 12,
    temperature: 0,
  });
  expect(head).toMatchObject({
    object: 'text_completion',
    model: 'llama-2m',
    id: expect.stringMatching(/^cmpl-/),
  });
  expect(choices).toEqual([{ index: 0, text: expect.any(String), finish_reason: 'length', logprobs: null }]);
  expect(usage.completion_tokens).toBe(12);
  expect(usage.total_tokens).toBe(usage.prompt_tokens + 12);
});

test('every text is the same alone and among others, streamed and whole, greedy and drawn', async () => {
  const requests = Array.from({ length: 24 }, (_, i) => ({
    prompt: PROMPTS[i % PROMPTS.length]!,
    max_tokens: 8 + (i % 5) * 8,
    temperature: i % 3 === 0 ? 0 : 0.9,
    top_p: i % 4 === 0 ? 0.8 : 1,
    top_k: i % 5 === 0 ? 20 : 0,
    seed: i,
  }));
  const alone: string[] = [];
  for (const request of requests) alone.push((await server.ask(COMPLETIONS, request)).choices[0]!.text);
  const together = await Promise.all(requests.map((request) => streamed(request)));
  expect(together.map(({ texts }) => texts[0])).toEqual(alone);
  expect(new Set(alone).size).toBeGreaterThan(10);
});

test('a prompt as tokens gives the text of the same prompt as text', async () => {
  const options = { max_tokens: 10, temperature: 0 };
  const text = await server.ask(COMPLETIONS, { ...options, prompt: 'The', logprobs: 0 });
  const tokens = await server.ask(COMPLETIONS, {
    ...options,
    prompt: [text.usage.prompt_tokens === 1 ? 325 : 0],
    logprobs: 0,
  });
  expect(tokens.usage.prompt_tokens).toBe(1);
  const both = await server.ask(COMPLETIONS, { ...options, prompt: [[5, 6], [7]] });
  expect(both.choices.map(({ index }) => index)).toEqual([0, 1]);
  expect(both.usage.prompt_tokens).toBe(3);
});

test('several texts of one prompt are those of the seeds that follow', async () => {
  const options = { prompt: PROMPTS[0], max_tokens: 10, temperature: 1 };
  const { choices } = await server.ask(COMPLETIONS, { ...options, n: 3, seed: 7 });
  for (const [j, { text }] of choices.entries()) {
    expect(text).toBe((await server.ask(COMPLETIONS, { ...options, seed: 7 + j })).choices[0]!.text);
  }
  expect(new Set(choices.map(({ text }) => text)).size).toBe(3);
});

test('a seed repeats a text; without one texts differ', async () => {
  const text = async (more: object) =>
    (await server.ask(COMPLETIONS, { prompt: 'The', max_tokens: 30, ...more })).choices[0]!.text;
  expect(await text({ seed: 3 })).toBe(await text({ seed: 3 }));
  expect(await text({ seed: -5 })).toBe(await text({ seed: -5 }));
  expect(await text({})).not.toBe(await text({}));
});

test('a stop string ends the text exactly before it, and is no part of it, streamed or whole', async () => {
  const options = { prompt: PROMPTS[0], max_tokens: 40, temperature: 0 };
  const whole = (await server.ask(COMPLETIONS, options)).choices[0]!.text;
  const stop = whole.slice(12, 17);
  const expected = whole.slice(0, whole.indexOf(stop));
  const stopped = (await server.ask(COMPLETIONS, { ...options, stop: [stop, 'never said'] })).choices[0]!;
  expect(stopped).toMatchObject({ text: expected, finish_reason: 'stop' });
  const { texts, chunks } = await streamed({ ...options, stop });
  expect(texts).toEqual([expected]);
  expect(chunks.at(-1)!.choices[0]!.finish_reason).toBe('stop');
});

test('log-probabilities come with the tokens of the text: the sampled one, the most likely, and where each begins', async () => {
  const options = { prompt: PROMPTS[0], max_tokens: 8, temperature: 0, logprobs: 3 };
  const { text, logprobs } = (await server.ask(COMPLETIONS, options)).choices[0]!;
  const { tokens, token_logprobs, top_logprobs, text_offset } = logprobs!;
  expect(tokens.join('')).toBe(text);
  expect(text_offset).toEqual(tokens.map((_, i) => tokens.slice(0, i).join('').length));
  tokens.forEach((token, i) => {
    // Greedy: the sampled token is the argmax.
    expect(Math.max(...Object.values(top_logprobs[i]!))).toBe(token_logprobs[i]);
    expect(top_logprobs[i]![token]).toBe(token_logprobs[i]);
    expect(Object.keys(top_logprobs[i]!)).toHaveLength(3);
    expect(token_logprobs[i]).toBeLessThan(0);
  });
  const { chunks } = await streamed(options);
  expect(chunks.flatMap(({ choices }) => choices.flatMap(({ logprobs }) => logprobs?.tokens ?? []))).toEqual(
    tokens,
  );
});

test('a stream reports its usage at the end where asked for, and null before', async () => {
  const { chunks } = await streamed({
    prompt: 'The',
    max_tokens: 5,
    stream_options: { include_usage: true },
  });
  expect(chunks.at(-1)).toMatchObject({ choices: [], usage: { completion_tokens: 5 } });
  for (const chunk of chunks.slice(0, -1)) expect(chunk.usage).toBeNull();
});

test('a stream that is cancelled frees its slot and its memory', async () => {
  const controller = new AbortController();
  const response = await server.post(
    COMPLETIONS,
    { model: 'llama-2m', prompt: 'The', max_tokens: 900, stream: true },
    { signal: controller.signal, headers: { 'content-type': 'application/json' } },
  );
  for await (const data of events(response)) {
    expect(data).not.toBe('[DONE]');
    break;
  }
  controller.abort();
  await eventually(async () => (await server.metric('admitted_texts')) === 0);
  // The engine's thread takes the message when its step has ended.
  await eventually(async () => (await server.metric('running_sequences')) === 0);
  expect(await server.metric('kv_pages_free')).toBe(await server.metric('kv_pages'));
});

test('whole answers whose client goes away are given up too', async () => {
  const signal = AbortSignal.timeout(100);
  const asked = server.post(
    COMPLETIONS,
    { model: 'llama-2m', prompt: 'The', max_tokens: 1000 },
    { signal, headers: { 'content-type': 'application/json' } },
  );
  await expect(asked).rejects.toThrow();
  await eventually(async () => (await server.metric('admitted_texts')) === 0);
});

test('the ends of the range of every number that shapes a choice are answered', async () => {
  for (const [name, { request }] of Object.entries(SAMPLING_OPTIONS)) {
    const { max, ...range } = request;
    const least = 'min' in range ? range.min : Number.MIN_VALUE;
    for (const value of [least, max]) {
      const { choices } = await server.ask(COMPLETIONS, {
        ...{ prompt: 'Once upon a time', max_tokens: 8, [snakeCase(name)]: value },
      });
      expect([name, value, choices[0]!.finish_reason]).toEqual([name, value, expect.any(String)]);
    }
  }
});
