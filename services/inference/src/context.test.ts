import { serving } from './testing/serving.ts';

/** Bytes of a page of the example model's cache, and tokens that fit into it. */
const [PAGE_BYTES, PAGE_TOKENS] = [32_768, 16];
const server = serving({ kvBytes: 8 * PAGE_BYTES });

test('where the cache is smaller than the context of the model, its tokens are the context that clients are told', async () => {
  const model = (await (await server.get('/v1/models/llama-2m')).json()) as { context_length: number };
  expect(model.context_length).toBe(8 * PAGE_TOKENS);
  expect(await (await server.get('/info')).json()).toMatchObject({ context_length: 8 * PAGE_TOKENS });
  const prompt = Array(100).fill(5);
  const { usage } = await server.ask('/v1/completions', { prompt, max_tokens: 28 });
  expect(usage.prompt_tokens).toBe(100);
  const refused = await server.post('/v1/completions', { model: 'llama-2m', prompt, max_tokens: 29 });
  expect(refused.status).toBe(400);
  expect(await refused.json()).toMatchObject({
    error: { code: 'context_length_exceeded', message: expect.stringContaining('context is 128 tokens') },
  });
});
