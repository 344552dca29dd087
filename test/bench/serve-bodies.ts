import type { MeasuredServer } from './server-process.ts';
import { heading, print } from './table.ts';

/** Just under the limit of a body. */
const BYTES = 1024 * 1024 - 1024;

/** The bodies that are the most work to refuse or to take, while streams are generated: none may hold them up. */
export async function benchBodies(server: MeasuredServer, model: string): Promise<void> {
  heading('the largest bodies, while four streams run');
  const post = (body: string) =>
    fetch(`${server.url}/v1/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
    });
  const head = `"model":${JSON.stringify(model)},"prompt":"a"`;
  const half = BYTES / 2 - 200;
  const bodies: readonly [name: string, body: string][] = [
    ['half a million token ids', `{"model":${JSON.stringify(model)},"prompt":[${'1,'.repeat(half)}1]}`],
    [
      'a hundred thousand token ids',
      `{"model":${JSON.stringify(model)},"prompt":[${'1,'.repeat(100_000)}1]}`,
    ],
    ['half a million brackets', `{${head},"metadata":${'['.repeat(half)}${']'.repeat(half)}}`],
    [
      'sixty thousand members',
      `{${head},${Array.from({ length: 60_000 }, (_, i) => `"k${i}":1`).join(',')}}`,
    ],
    ['a text of a megabyte', JSON.stringify({ model, prompt: 'x'.repeat(BYTES - 200) })],
    [
      'the most text that fits the context',
      JSON.stringify({ model, prompt: '文字'.repeat(8_000), max_tokens: 1 }),
    ],
  ];
  const running = post(JSON.stringify({ model, prompt: 'A', max_tokens: 900, n: 4, stream: true }));
  const text = running.then((response) => response.text());
  for (const [name, body] of bodies) {
    const response = await post(body);
    await response.text();
    const stall = 1000 * (await server.metric('event_loop_stall_seconds_max'));
    print({
      name: `${name}: status, longest stall so far`,
      measured: `${response.status}, ${stall.toFixed(1)} ms`,
    });
  }
  await text;
}
