import { RUN, serving } from './testing/serving.ts';

const server = serving();

test('the server is alive and ready, and says what it serves', async () => {
  expect(await (await server.get('/health')).json()).toEqual({ status: 'alive' });
  expect(await (await server.get('/ready')).json()).toEqual({ status: 'ready' });
  expect(await (await server.get('/info')).json()).toMatchObject({
    model: 'llama-2m',
    run: RUN,
    pattern: '2:4',
    pipeline: 'magnitude',
    family: 'llama',
    vocabulary: 2048,
    context_length: 1024,
    threads: 1,
    weight_bytes: { linears: expect.any(Number), dense_linears: expect.any(Number) },
    limits: { body_bytes: 1_048_576, max_sequences: 16, max_queue: 256 },
  });
});

test('every name in /info is spelled in one way', async () => {
  const names: string[] = [];
  JSON.parse(await (await server.get('/info')).text(), (name: string, value: unknown) => {
    names.push(name);
    return value;
  });
  expect(names.filter((name) => !/^[a-z0-9_]*$/.test(name))).toEqual([]);
});

test('the pages of the cache are counted before the first request', async () => {
  const { kv_pages: pages } = (await (await server.get('/info')).json()) as { kv_pages: number };
  expect(pages).toBeGreaterThan(0);
  expect(await server.metric('kv_pages')).toBe(pages);
  expect(await server.metric('kv_pages_free')).toBe(pages);
});

test('the models are the one', async () => {
  const list = (await (await server.get('/v1/models')).json()) as { data: unknown[] };
  expect(list).toMatchObject({ object: 'list', data: [{ id: 'llama-2m', object: 'model', run: RUN }] });
  expect(await (await server.get('/v1/models/llama-2m')).json()).toEqual(list.data[0]);
});

test('metrics count what is done, and reading them changes nothing', async () => {
  await server.ask('/v1/completions', { prompt: 'Once upon a time', max_tokens: 7 });
  const read = async () =>
    (await (await server.get('/metrics')).text())
      .split('\n')
      .filter((line) => !/stall|resident/.test(line))
      .join('\n');
  const first = await read();
  for (const line of [
    'esparse_generated_tokens_total 7',
    'esparse_running_sequences 0',
    'esparse_queue_length 0',
    'esparse_time_to_first_token_seconds_count 1',
    'esparse_time_per_output_token_seconds_count 1',
    'esparse_requests_total{route="/v1/completions",method="POST",status="200"} 1',
  ]) {
    expect(first).toContain(`\n${line}\n`);
  }
  expect(await read()).toBe(first);
  expect(await server.metric('event_loop_stall_seconds_longest')).toBeGreaterThanOrEqual(0);
});
