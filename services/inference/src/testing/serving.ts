import { mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pino } from 'pino';
import { startServer, type RunningServer } from '../server.ts';
import type { ServeOptions } from '../serve-options.ts';
import { writeExampleRun } from './example-store.ts';

export const RUN = 'aaaa0123456789abcdef0123456789ab';

/** A typical chat template: refuses roles that it does not know, begins with BOS. */
export const CHAT_TEMPLATE =
  "{{ bos_token }}{% for message in messages %}{% if message['role'] not in ['system', 'user', 'assistant'] %}" +
  "{{ raise_exception('a role of another kind') }}{% endif %}" +
  "{% if message['content'] == 'spin' %}{% for i in range(1000000000) %}{% endfor %}{% endif %}" +
  "{{ message['role'] + ': ' + message['content'] + '\n' }}{% endfor %}" +
  "{% if add_generation_prompt %}{{ 'assistant:' }}{% endif %}";

/** A server on the example model for the tests of a file. */
export interface Serving {
  readonly server: RunningServer;
  readonly store: string;
  get(route: string, init?: RequestInit): Promise<Response>;
  post(route: string, body: unknown, init?: RequestInit): Promise<Response>;
  /** The answer of a request that must succeed. */
  ask(route: string, body: object): Promise<Answer>;
  /** The value of a metric, labels included in its name. */
  metric(name: string): Promise<number>;
}

/** As far as tests look at it. */
export interface Answer {
  readonly id: string;
  readonly object: string;
  readonly model: string;
  readonly choices: {
    readonly index: number;
    readonly text: string;
    readonly message: { readonly role: string; readonly content: string };
    readonly finish_reason: string;
    readonly logprobs: {
      readonly tokens: string[];
      readonly token_logprobs: number[];
      readonly top_logprobs: Record<string, number>[];
      readonly text_offset: number[];
    } | null;
  }[];
  readonly usage: {
    readonly prompt_tokens: number;
    readonly completion_tokens: number;
    readonly total_tokens: number;
  };
}

/** Writes a store and starts a server on it before the tests, and removes both after them. */
export function serving(options: Partial<ServeOptions> & { chatTemplate?: string } = {}): Serving {
  const { chatTemplate, ...serveOptions } = options;
  let home = '';
  let server: RunningServer | undefined;
  const store = () => path.join(home, 'store');

  beforeAll(async () => {
    home = await realpath(await mkdtemp(path.join(tmpdir(), 'esparse-serve-')));
    await writeExampleRun({ store: store(), fingerprint: RUN, ...(chatTemplate && { chatTemplate }) });
    server = await startServer({ ...DEFAULTS, store: store(), ...serveOptions });
  });
  afterAll(async () => {
    await server?.close();
    await rm(home, { recursive: true, force: true });
  });

  const url = (route: string) => `${server!.url}${route}`;
  const post = (route: string, body: unknown, init: RequestInit = {}) =>
    fetch(url(route), {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: typeof body === 'string' ? body : JSON.stringify(body),
      ...init,
    });
  return {
    get server() {
      return server!;
    },
    get store() {
      return store();
    },
    get: (route, init) => fetch(url(route), init),
    post,
    async ask(route, body) {
      const response = await post(route, { model: 'llama-2m', ...body });
      const answer: unknown = await response.json();
      if (response.status !== 200) throw new Error(`${response.status}: ${JSON.stringify(answer)}`);
      return answer as Answer;
    },
    async metric(name) {
      const text = await (await fetch(url('/metrics'))).text();
      const line = text.split('\n').find((one) => one.startsWith(`esparse_${name} `));
      return line === undefined ? 0 : Number(line.split(' ').at(-1));
    },
  };
}

/** Small, quick, silent, on a free port. */
export const DEFAULTS = {
  host: '127.0.0.1',
  port: 0,
  threads: 1,
  kvBytes: 64 * 1024 * 1024,
  drainSeconds: 5,
  verify: 'none',
  log: pino({ level: 'silent' }),
} as const;

/** The data of server-sent events as they come. */
export async function* events(response: Response): AsyncGenerator<string, void, undefined> {
  let rest = '';
  for await (const piece of response.body!.pipeThrough(new TextDecoderStream())) {
    const parts = (rest + piece).split('\n\n');
    rest = parts.pop()!;
    for (const part of parts) yield part.replace(/^data: /, '');
  }
}

/** Waits until something holds; fails after two minutes, which is for what hangs: a busy machine takes its time. */
export async function eventually(holds: () => boolean | Promise<boolean>): Promise<void> {
  for (let attempt = 0; attempt < 6000; attempt++) {
    if (await holds()) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error('it did not come to hold within two minutes');
}
