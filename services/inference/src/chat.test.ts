import { CHAT_TEMPLATE, serving } from './testing/serving.ts';

const server = serving({ chatTemplate: CHAT_TEMPLATE });
const ROUTE = '/v1/chat/completions';
const user = (content: string) => [{ role: 'user', content }];

test('a chat is answered as its template writes it: like a completion of the same prompt', async () => {
  const options = { max_tokens: 16, temperature: 0 };
  const chat = await server.ask(ROUTE, {
    ...options,
    messages: [
      { role: 'developer', content: 'Be kind.' },
      {
        role: 'user',
        content: [
          { type: 'text', text: 'Tell me ' },
          { type: 'text', text: 'a story.' },
        ],
      },
    ],
  });
  const prompt = '<|endoftext|>system: Be kind.\nuser: Tell me a story.\nassistant:';
  const completion = await server.ask('/v1/completions', { ...options, prompt });
  expect(chat.object).toBe('chat.completion');
  expect(chat.choices[0]!.message).toEqual({
    role: 'assistant',
    content: completion.choices[0]!.text,
    refusal: null,
  });
  expect(chat.usage).toEqual(completion.usage);
});

test('a chat that says nothing of tokens gets a default that fits its context', async () => {
  const { usage } = await server.ask(ROUTE, { messages: user('word '.repeat(100)), stop: ['the'] });
  expect(usage.prompt_tokens).toBeGreaterThan(100);
});

test('what the template refuses is 400 with its words, and a template that spins is cut off', async () => {
  const started = performance.now();
  const [spins, waits] = await Promise.all([
    server.post(ROUTE, { model: 'llama-2m', messages: user('spin'), max_tokens: 1 }),
    server.post(ROUTE, { model: 'llama-2m', messages: user('Hi'), max_tokens: 1 }),
  ]);
  expect(spins.status).toBe(400);
  expect(await spins.json()).toMatchObject({
    error: { param: 'messages', message: expect.stringMatching(/longer|too much/) },
  });
  // The one behind it is rendered by the next process.
  expect(waits.status).toBe(200);
  expect(performance.now() - started).toBeLessThan(60_000);
});
