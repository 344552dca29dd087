import { connect } from 'node:net';
import { once } from 'node:events';
import path from 'node:path';
import { startServer } from '@esparse/inference';
import { pino } from 'pino';
import { writeRandomStore } from '../../support/random-store.ts';
import { mutateBytes } from '../mutate-bytes.ts';
import { mutateJson } from '../mutate-json.ts';
import type { Random } from '../random.ts';
import { BrokenLaw, type Subject } from '../subject.ts';

const SHAPE = { hidden: 32, intermediate: 48, blocks: 1, heads: 2, kvHeads: 1, vocab: 300 };
const CONTEXT = 64;
const MODEL = 'tiny';
/** Prompts after which the server is asked what it was asked at the start: the answer is the same. */
const ASKED_EACH = 50;
/** How long a client waits before it goes away: requests that are cut off have no other end. */
const PATIENCE_MS = 200;
/** Of a request that is whole, which has an answer. */
const WHOLE_PATIENCE_MS = 15_000;
/** What a server that is not busy, starting or stopping may answer. */
const STATUSES = new Set([200, 400, 401, 404, 405, 408, 413, 415, 422, 431]);

const COMMON = { model: MODEL, max_tokens: 4, temperature: 0, seed: 1, n: 1, stream: false, stop: ['e'] };
const BODIES: readonly (readonly [route: string, body: object])[] = [
  ['/v1/completions', { ...COMMON, prompt: 'Once upon a time', top_p: 0.9, top_k: 5, logprobs: 2 }],
  ['/v1/completions', { ...COMMON, prompt: [1, 2, 3] }],
  ['/v1/completions', { ...COMMON, prompt: [[1, 2], [3]], n: 2 }],
  [
    '/v1/completions',
    { ...COMMON, prompt: ['a', 'b'], stream: true, stream_options: { include_usage: true } },
  ],
  [
    '/v1/chat/completions',
    { ...COMMON, messages: [{ role: 'user', content: 'Hello' }], top_logprobs: 2, logprobs: true },
  ],
  [
    '/v1/chat/completions',
    { ...COMMON, messages: [{ role: 'system', content: [{ type: 'text', text: 'Hi' }] }] },
  ],
];
const ROUTES = ['/v1/models', '/v1/models/tiny', '/health', '/ready', '/metrics', '/info'];

/**
 * HTTP requests to a server, from the body to the bytes on the wire. Laws: an answer is one that the documentation lists, and
 * an error has OpenAI's form; afterwards the server gives the answer that it gave before.
 */
export const requests: Subject = {
  async open(home) {
    const store = path.join(home, 'store');
    await writeRandomStore(store, SHAPE, '2:4');
    const server = await startServer({
      ...{ store, modelName: MODEL, host: '127.0.0.1', port: 0, threads: 1, kvBytes: 1 << 24 },
      ...{ maxContext: CONTEXT, verify: 'none', drainSeconds: 1, log: pino({ level: 'silent' }) },
    });
    const port = Number(new URL(server.url).port);
    const whole = httpRequest('POST', '/v1/completions', JSON.stringify(BODIES[1]![1]));
    const sane = () => send(port, whole, WHOLE_PATIENCE_MS);
    const textOf = ({ body }: Response) => JSON.stringify((JSON.parse(body) as { choices: unknown }).choices);
    const expected = textOf(await sane());
    let tried = 0;
    return {
      async try(random) {
        const { bytes, what } = mutatedRequest(random);
        const response = await send(port, bytes);
        check(response, what);
        if (++tried % ASKED_EACH === 0 && textOf(await sane()) !== expected) {
          throw new BrokenLaw('another answer to the same request', what);
        }
        return { what, outcome: response.status === undefined ? 'no answer' : String(response.status) };
      },
      close: () => server.close(),
    };
  },
};

interface Response {
  /** Undefined where the connection was closed without an answer. */
  readonly status: number | undefined;
  readonly body: string;
}

function mutatedRequest(random: Random): { readonly bytes: Uint8Array; readonly what: string } {
  const [route, body] = random.pick(BODIES);
  const text = JSON.stringify(body);
  switch (random.int(10)) {
    case 0: {
      const [bytes, what] = mutateBytes(httpRequest('POST', route, text), random);
      return { bytes, what: `on the wire: ${what}` };
    }
    case 1: {
      const [bytes, what] = mutateBytes(Buffer.from(text), random);
      return { bytes: httpRequest('POST', route, bytes), what: `${route}: ${what}` };
    }
    case 2: {
      const other = random.pick(ROUTES);
      const [bytes, what] = mutateBytes(
        httpRequest(random.pick(['GET', 'POST', 'HEAD', 'PUT']), other, ''),
        random,
      );
      return { bytes, what: `${other}: ${what}` };
    }
    default: {
      const [mutated, what] = mutateJson(text, random)!;
      return { bytes: httpRequest('POST', route, mutated), what: `${route}: ${what}` };
    }
  }
}

function httpRequest(method: string, route: string, body: string | Uint8Array): Uint8Array {
  const bytes = Buffer.from(body);
  const head =
    `${method} ${route} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n` +
    `content-type: application/json\r\ncontent-length: ${bytes.length}\r\n\r\n`;
  return Buffer.concat([Buffer.from(head), bytes]);
}

/** Sends bytes and reads until the server closes; where it waits for more of the request, the client goes away. */
async function send(port: number, bytes: Uint8Array, patience = PATIENCE_MS): Promise<Response> {
  const socket = connect(port, '127.0.0.1');
  const received: Buffer[] = [];
  socket.on('data', (piece: Buffer) => received.push(piece));
  // A server may close before it has read everything.
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  socket.write(bytes);
  const gone = setTimeout(() => socket.end(), patience);
  await once(socket, 'close');
  clearTimeout(gone);
  return firstResponse(Buffer.concat(received).toString());
}

/** The first response of a connection: what follows a request that ends early is answered, too. */
function firstResponse(text: string): Response {
  const status = /^HTTP\/1\.1 (\d{3}) /.exec(text)?.[1];
  const [head] = text.split('\r\n\r\n', 1);
  const length = /\r\ncontent-length: (\d+)/i.exec(head!)?.[1];
  const body = text.slice(head!.length + 4);
  return {
    status: status === undefined ? undefined : Number(status),
    body: length === undefined ? body : Buffer.from(body).subarray(0, Number(length)).toString(),
  };
}

function check({ status, body }: Response, what: string): void {
  if (status === undefined) return;
  if (!STATUSES.has(status)) throw new BrokenLaw(`answered ${status}: ${body.slice(0, 500)}`, what);
  if (status === 200 || body === '') return;
  const { error } = JSON.parse(body) as { error?: { message?: unknown; type?: unknown } };
  if (typeof error?.message !== 'string' || typeof error.type !== 'string') {
    throw new BrokenLaw(`an error of another form: ${body.slice(0, 500)}`, what);
  }
}
