import { Agent, request } from 'node:http';

/** What a client asks for. */
export interface Ask {
  readonly prompt: string;
  readonly max_tokens: number;
  readonly temperature: number;
  readonly seed: number;
  readonly top_p?: number;
  readonly top_k?: number;
}

/** A whole answer as a client saw it. */
export interface Streamed {
  readonly status: number;
  /** Read from the events when it is asked for: clients of a measured load spend no time on it meanwhile. */
  readonly text: string;
  /** Whether the stream came to its end. */
  readonly complete: boolean;
}

/** Many connections that are kept: clients of a load. */
export const connections = (count: number) => new Agent({ keepAlive: true, maxSockets: count });

/**
 * Streams one completion to its end.
 *
 * @param begun called when its first piece is there
 */
export function stream(
  url: string,
  model: string,
  ask: Ask,
  agent: Agent,
  begun?: () => void,
): Promise<Streamed> {
  const body = JSON.stringify({ model, ...ask, stream: true });
  const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
  return new Promise((resolve, reject) => {
    const sent = request(`${url}/v1/completions`, { method: 'POST', headers, agent }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => {
        if (chunks.push(chunk) === 1) begun?.();
      });
      response.on('error', reject);
      response.on('end', () => {
        const events = Buffer.concat(chunks).toString();
        const status = response.statusCode ?? 0;
        resolve({
          status,
          get text() {
            return textOf(events);
          },
          complete: events.endsWith('data: [DONE]\n\n'),
        });
      });
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

function textOf(events: string): string {
  return events
    .split('\n\n')
    .filter((event) => event.startsWith('data: {'))
    .map((event) => (JSON.parse(event.slice(6)) as { choices?: { text: string }[] }).choices?.[0]?.text ?? '')
    .join('');
}

/** A metric without labels, as a server tells it. */
export async function metricOf(url: string, name: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  const found = text.split('\n').find((line) => line.startsWith(`esparse_${name} `));
  return Number(found?.split(' ')[1]);
}
