import type { MeasuredServer } from './server-process.ts';
import { heading, print } from './table.ts';

/** Clients of the soak: more than run at once. */
const CLIENTS = 24;

/** Growth of private memory that is none: the collector's own ups and downs. */
const FLAT_MIB = 24;

/** Many requests, good ones, bad ones, and streams that are given up: nothing is left of them. */
export async function benchSoak(server: MeasuredServer, model: string, requests: number): Promise<void> {
  heading(`${requests} requests`);
  const statuses = new Map<string, number>();
  let begun = 0;
  let settled = 0;
  const client = async () => {
    while (begun < requests) {
      const status = await one(server.url, model, begun++);
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
    }
  };
  const run = async (until: number) => {
    const all = requests;
    requests = until;
    await Promise.all(Array.from({ length: CLIENTS }, client));
    requests = all;
    settled = await server.privateMib();
  };
  await run(Math.ceil(requests / 5));
  const early = settled;
  await run(requests);
  print({ name: 'answers', measured: [...statuses].map(([status, n]) => `${status}: ${n}`).join(', ') });
  print({ name: 'private memory after a fifth of them', measured: `${early.toFixed(0)} MiB` });
  print({
    name: 'growth from there to the end',
    measured: `${(settled - early).toFixed(1)} MiB`,
    target: `< ${FLAT_MIB} MiB`,
    met: settled - early < FLAT_MIB,
  });
  const held = await server.metric('admitted_texts');
  const pages = (await server.metric('kv_pages')) - (await server.metric('kv_pages_free'));
  print({
    name: 'places and pages still held',
    measured: `${held}, ${pages}`,
    target: '0, 0',
    met: held + pages === 0,
  });
}

/** The i-th request: its status, or what was done with it. */
async function one(url: string, model: string, i: number): Promise<string> {
  const ask = (body: object, signal?: AbortSignal) =>
    fetch(`${url}/v1/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model, prompt: `Number ${i} is`, max_tokens: 8, ...body }),
      ...(signal && { signal }),
    });
  switch (i % 8) {
    case 5: {
      const { status, body } = await ask({ temperature: 9 });
      await body?.cancel();
      return String(status);
    }
    case 6: {
      const controller = new AbortController();
      const response = await ask({ stream: true, max_tokens: 400 }, controller.signal);
      await response.body!.getReader().read();
      controller.abort();
      return 'given up';
    }
    case 7: {
      const response = await ask({ stream: true, logprobs: 5 });
      await response.text();
      return String(response.status);
    }
    default: {
      const response = await ask({ seed: i });
      await response.text();
      return String(response.status);
    }
  }
}
