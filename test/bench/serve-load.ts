import autocannon from 'autocannon';
import { startIdleProcess } from './idle-process.ts';
import type { MeasuredServer } from './server-process.ts';
import { heading, print } from './table.ts';

/** What clients ask for: of many lengths, greedy and drawn. */
interface Ask {
  readonly prompt: string;
  readonly max_tokens: number;
  readonly temperature: number;
  readonly seed: number;
}

const STARTS = ['Once upon a time', 'The king of the valley said that', 'A', 'In 1923 the company'];

const ASKS: readonly Ask[] = Array.from({ length: 48 }, (_, i) => ({
  prompt: Array(1 + (i % 7) * 3)
    .fill(STARTS[i % STARTS.length])
    .join(' '),
  max_tokens: 16 + (i % 6) * 16,
  temperature: i % 2,
  seed: i,
}));

/** Many streaming clients: statuses, throughput against that of a full batch, texts against their solo texts, stalls. */
export async function benchLoad(
  server: MeasuredServer,
  model: string,
  clients: number,
  seconds: number,
): Promise<void> {
  heading(`${clients} streaming clients for ${seconds} s`);
  const solo = new Map<Ask, string>();
  for (const ask of ASKS) solo.set(ask, await alone(server, model, ask));
  const stopIdle = startIdleProcess();
  const full = await load(server, model, solo, 16, Math.min(seconds, 20));
  const many = await load(server, model, solo, clients, seconds);

  print({
    name: 'answers by status',
    measured: [...many.statuses].map(([code, n]) => `${code}: ${n}`).join(', '),
  });
  const failed = [...many.statuses].filter(([code]) => code >= 500 && code !== 503).length + many.errors;
  print({ name: 'failed answers and connections', measured: String(failed), target: '0', met: failed === 0 });
  print({ name: 'tokens/s of 16 clients', measured: full.rate.toFixed(0) });
  print({
    name: `tokens/s of ${clients} clients, against them`,
    measured: `${many.rate.toFixed(0)} (${((100 * many.rate) / full.rate).toFixed(0)} %)`,
    target: '>= 90 %',
    met: many.rate >= 0.9 * full.rate,
  });
  const texts = `${many.same} of ${many.same + many.different}`;
  print({
    name: 'texts equal to their solo texts',
    measured: texts,
    target: 'all',
    met: many.different === 0,
  });
  const idle = await stopIdle();
  const stall = 1000 * (await server.metric('event_loop_stall_seconds_longest'));
  print({
    name: 'longest stall of the event loop',
    measured: `${stall.toFixed(1)} ms`,
    target: '< 20 ms',
    met: stall < 20,
  });
  print({ name: 'that of an idle process beside it', measured: `${idle.toFixed(1)} ms` });
}

const body = (model: string, ask: Ask, stream: boolean) => JSON.stringify({ model, ...ask, stream });
const headers = { 'content-type': 'application/json' };

async function alone({ url }: MeasuredServer, model: string, ask: Ask): Promise<string> {
  const response = await fetch(`${url}/v1/completions`, {
    method: 'POST',
    headers,
    body: body(model, ask, false),
  });
  return ((await response.json()) as { choices: { text: string }[] }).choices[0]!.text;
}

interface Outcome {
  /** Tokens a second, as the server counts them. */
  readonly rate: number;
  readonly statuses: Map<number, number>;
  readonly errors: number;
  readonly same: number;
  readonly different: number;
}

async function load(
  server: MeasuredServer,
  model: string,
  solo: ReadonlyMap<Ask, string>,
  connections: number,
  duration: number,
): Promise<Outcome> {
  const statuses = new Map<number, number>();
  let [same, different] = [0, 0];
  const before = await server.metric('generated_tokens_total');
  const started = performance.now();
  const requests = ASKS.map((ask): autocannon.Request => ({
    method: 'POST',
    path: '/v1/completions',
    headers,
    body: body(model, ask, true),
    onResponse(status, text) {
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
      if (status !== 200) return;
      if (streamedText(text) === solo.get(ask)) same++;
      else different++;
    },
  }));
  let turn = 0;
  const result = await autocannon({
    url: server.url,
    connections,
    duration,
    timeout: 120,
    requests,
    // Clients begin at different places of the list.
    setupClient(client) {
      const at = turn++ % requests.length;
      client.setRequests([...requests.slice(at), ...requests.slice(0, at)]);
    },
  });
  const rate =
    ((await server.metric('generated_tokens_total')) - before) / ((performance.now() - started) / 1000);
  // Requests that the end of the test cuts off are no errors of the server.
  return { rate, statuses, errors: result.errors + result.timeouts, same, different };
}

/** The text of a whole stream. */
function streamedText(events: string): string {
  if (!events.endsWith('data: [DONE]\n\n')) return '(cut)';
  return events
    .split('\n\n')
    .filter((event) => event.startsWith('data: {'))
    .map((event) => (JSON.parse(event.slice(6)) as { choices: { text: string }[] }).choices[0]?.text ?? '')
    .join('');
}
