import { serving } from './testing/serving.ts';

const server = serving({ maxContext: 128, maxSequences: 2, maxQueue: 2 });

const COMPLETIONS = '/v1/completions';
const CHAT = '/v1/chat/completions';
const good = { model: 'llama-2m', prompt: 'Once', max_tokens: 2 };
const chat = { model: 'llama-2m', messages: [{ role: 'user', content: 'Hi' }], max_tokens: 2 };

interface ErrorBody {
  readonly error: {
    readonly message: string;
    readonly type: string;
    readonly param: string | null;
    readonly code: string | null;
  };
}

async function refused(response: Response, status: number, words: RegExp): Promise<ErrorBody['error']> {
  const { error } = (await response.json()) as ErrorBody;
  expect({ status: response.status, message: error.message }).toEqual({
    status,
    message: expect.stringMatching(words),
  });
  expect(Object.keys(error).sort()).toEqual(['code', 'message', 'param', 'type']);
  expect(response.headers.get('x-request-id')).toMatch(/^req-/);
  return error;
}

test.each<[string, string, unknown, RegExp, string | null]>([
  ['no prompt', COMPLETIONS, { model: 'llama-2m' }, /^prompt is required$/, 'prompt'],
  ['no model', COMPLETIONS, { prompt: 'x' }, /^model is required$/, 'model'],
  ['a field that is unknown', COMPLETIONS, { ...good, max_token: 3 }, /max_token/, 'max_token'],
  ['two fields that are unknown', COMPLETIONS, { ...good, a: 1, b: 2 }, /a, b/, 'a'],
  ['a prompt that is a number', COMPLETIONS, { ...good, prompt: 3 }, /prompt/, 'prompt'],
  ['no prompts', COMPLETIONS, { ...good, prompt: [] }, /prompt/, 'prompt'],
  ['prompts of two kinds', COMPLETIONS, { ...good, prompt: ['a', 3] }, /prompt/, 'prompt'],
  ['too many prompts', COMPLETIONS, { ...good, prompt: Array(33).fill('a') }, /32/, 'prompt'],
  ['a token beyond the vocabulary', COMPLETIONS, { ...good, prompt: [5, 2048] }, /2048/, 'prompt'],
  ['a token that is negative', COMPLETIONS, { ...good, prompt: [-1] }, /prompt/, 'prompt'],
  ['a token that is not a whole number', COMPLETIONS, { ...good, prompt: [1.5] }, /prompt/, 'prompt'],
  [
    'a list without tokens',
    COMPLETIONS,
    { ...good, prompt: [[]] },
    /^prompt: at least one token id was expected$/,
    'prompt',
  ],
  [
    'more tokens than the context',
    COMPLETIONS,
    { ...good, prompt: Array(200).fill(5) },
    /128.*200/,
    'prompt',
  ],
  [
    'a text longer than the context',
    COMPLETIONS,
    { ...good, prompt: 'word '.repeat(200) },
    /context/,
    'prompt',
  ],
  [
    'a text that is far too long',
    COMPLETIONS,
    { ...good, prompt: 'x'.repeat(100_000) },
    /characters/,
    'prompt',
  ],
  ['more tokens than fit behind the prompt', COMPLETIONS, { ...good, max_tokens: 128 }, /128/, 'prompt'],
  ['max_tokens of 0', COMPLETIONS, { ...good, max_tokens: 0 }, /max_tokens/, 'max_tokens'],
  ['max_tokens as text', COMPLETIONS, { ...good, max_tokens: '5' }, /max_tokens/, 'max_tokens'],
  ['a temperature above 2', COMPLETIONS, { ...good, temperature: 2.1 }, /temperature/, 'temperature'],
  ['top_p of 0', COMPLETIONS, { ...good, top_p: 0 }, /top_p/, 'top_p'],
  ['top_k of -2', COMPLETIONS, { ...good, top_k: -2 }, /top_k/, 'top_k'],
  ['a seed that is not a whole number', COMPLETIONS, { ...good, seed: 0.5 }, /seed/, 'seed'],
  ['seventeen stop strings', COMPLETIONS, { ...good, stop: Array(17).fill('a') }, /stop/, 'stop'],
  ['an empty stop string', COMPLETIONS, { ...good, stop: '' }, /stop/, 'stop'],
  ['a stop string that is too long', COMPLETIONS, { ...good, stop: 'x'.repeat(300) }, /stop/, 'stop'],
  ['n of 17', COMPLETIONS, { ...good, n: 17 }, /n: /, 'n'],
  ['more texts than there are slots', COMPLETIONS, { ...good, n: 5 }, /5 texts.*4/, 'n'],
  ['logprobs of 6', COMPLETIONS, { ...good, logprobs: 6 }, /logprobs/, 'logprobs'],
  ['echo that is no yes or no', COMPLETIONS, { ...good, echo: 'yes' }, /echo/, 'echo'],
  ['echo of a chat', CHAT, { ...chat, echo: true }, /echo/, 'echo'],
  ['max_tokens below 0', COMPLETIONS, { ...good, echo: true, max_tokens: -1 }, /max_tokens/, 'max_tokens'],
  ['a suffix', COMPLETIONS, { ...good, suffix: 'end' }, /suffix/, 'suffix'],
  ['best_of other than n', COMPLETIONS, { ...good, best_of: 3 }, /best_of/, 'best_of'],
  [
    'a penalty of 3',
    COMPLETIONS,
    { ...good, frequency_penalty: 3 },
    /frequency_penalty/,
    'frequency_penalty',
  ],
  ['a bias', COMPLETIONS, { ...good, logit_bias: { 5: 1 } }, /logit_bias/, 'logit_bias'],
  [
    'stream options that are unknown',
    COMPLETIONS,
    { ...good, stream_options: { x: 1 } },
    /stream_options\.x/,
    'stream_options.x',
  ],
  ['a body nested too deep', COMPLETIONS, { ...good, metadata: nested(40) }, /nested/, null],
  ['a body of too many values', COMPLETIONS, { ...good, stop: Array(30_000).fill('a') }, /too many/, 'stop'],
  ['no messages', CHAT, { ...chat, messages: [] }, /messages/, 'messages'],
  [
    'a role that is unknown',
    CHAT,
    { ...chat, messages: [{ role: 'tool', content: 'x' }] },
    /tools/,
    'messages.0.role',
  ],
  [
    'a message without content',
    CHAT,
    { ...chat, messages: [{ role: 'user' }] },
    /content/,
    'messages.0.content',
  ],
  [
    'a picture',
    CHAT,
    { ...chat, messages: [{ role: 'user', content: [{ type: 'image_url', image_url: {} }] }] },
    /text/,
    'messages.0.content',
  ],
  ['tools', CHAT, { ...chat, tools: [{ type: 'function' }] }, /tools/, 'tools'],
  [
    'JSON mode',
    CHAT,
    { ...chat, response_format: { type: 'json_object' } },
    /response_format/,
    'response_format',
  ],
  ['both limits of tokens', CHAT, { ...chat, max_completion_tokens: 2 }, /one/, 'max_tokens'],
  ['top logprobs without logprobs', CHAT, { ...chat, top_logprobs: 2 }, /logprobs/, 'top_logprobs'],
  ['a model without a chat template', CHAT, chat, /no chat template/, 'messages'],
])('%s is refused with 400 and named', async (_, route, body, words, param) => {
  const error = await refused(await server.post(route, body), 400, words);
  expect(error).toMatchObject({ type: 'invalid_request_error', param });
});

function nested(depth: number): object {
  return depth === 0 ? {} : { inner: nested(depth - 1) };
}

test.each<[string, string, number, RegExp]>([
  ['malformed JSON', '{"model":', 400, /JSON/],
  ['an empty body', '', 400, /empty/],
  ['JSON that is not an object', '[1]', 400, /object/],
  ['null', 'null', 400, /object/],
  [
    'a key that poisons prototypes',
    '{"__proto__":{"a":1},"model":"llama-2m","prompt":"a"}',
    400,
    /JSON|__proto__/,
  ],
  ['10 MB', JSON.stringify({ ...good, prompt: 'x'.repeat(10_000_000) }), 413, /1048576 bytes/],
])('a body of %s is refused with its status', async (_, body, status, words) => {
  await refused(await server.post(COMPLETIONS, body), status, words);
});

test('a content type other than JSON is refused with 415', async () => {
  for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'nonsense']) {
    const response = await server.post(COMPLETIONS, good, { headers: { 'content-type': type } });
    await refused(response, 415, /application\/json/);
  }
});

test('another model is 404 and model_not_found', async () => {
  const error = await refused(await server.post(COMPLETIONS, { ...good, model: 'gpt-9' }), 404, /gpt-9/);
  expect(error).toMatchObject({ param: 'model', code: 'model_not_found' });
  await refused(await server.get('/v1/models/a/b'), 404, /a\/b/);
});

test('a path that is not there is 404, another method 405 with Allow, a path that cannot be decoded 400', async () => {
  await refused(await server.get('/v2/completions'), 404, /v2/);
  await refused(await server.post('/', {}), 404, /POST/);
  const wrong = await server.get(COMPLETIONS);
  expect(wrong.headers.get('allow')).toBe('POST');
  await refused(wrong, 405, /GET/);
  const models = await server.post('/v1/models', {});
  expect(models.headers.get('allow')).toBe('GET, HEAD');
  await refused(models, 405, /POST/);
  await refused(await server.post('/v1/models/llama-2m', {}), 405, /POST/);
  await refused(await server.get('/v1/models/%zz'), 400, /decoded/);
});

test('after all of it the server answers as before and holds nothing', async () => {
  const { choices } = await server.ask(COMPLETIONS, good);
  expect(choices).toHaveLength(1);
  expect(await server.metric('admitted_texts')).toBe(0);
  expect(await server.metric('kv_pages_free')).toBe(await server.metric('kv_pages'));
});
