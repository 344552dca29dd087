/**
 * A server on an NVIDIA GPU, from outside: `npm run bench:cuda:serve -- [--shape 1b|7b] [--store FOLDER]
 * [--clients 1,16,64] [--tokens 1000]`. Tokens a second
 * of streaming clients as a share of what the engine gives by itself, the time from the start of the command to the first
 * token, and when the clients of a round began and ended: what is lost while they join and leave is lost once a text, whatever its
 * length. Random weights in 2:4.
 */
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { openEngine } from '@esparse/engine';
import { connections, metricOf, stream } from '../cuda/streaming-clients.ts';
import { LLAMA_1B, writeRandomStore } from '../support/random-store.ts';
import { serve } from '../support/serve.ts';
import { heading, median, print } from './table.ts';

const SHAPES = {
  tiny: { hidden: 256, intermediate: 512, blocks: 2, heads: 4, kvHeads: 2, vocab: 2048, tiedHead: false },
  '1b': LLAMA_1B,
  '7b': {
    hidden: 4096,
    intermediate: 11008,
    blocks: 32,
    heads: 32,
    kvHeads: 32,
    vocab: 32000,
    tiedHead: false,
  },
};
const PROMPT = 'once upon a time there was a king';
/** The first ones make the graphs that there are not yet. */
const ROUNDS = 5;

const { values: flags } = parseArgs({
  options: {
    shape: { type: 'string', default: '1b' },
    store: { type: 'string' },
    device: { type: 'string', default: 'cuda' },
    clients: { type: 'string', default: '1,16,64' },
    tokens: { type: 'string', default: '1000' },
  },
});
const { device } = flags;
const TOKENS = Number(flags.tokens);
const clients = flags.clients.split(',').map(Number);
const home = flags.store ?? (await mkdtemp(path.join(tmpdir(), 'esparse-bench-')));
const store = path.join(home, `${flags.shape}.zarr`);
try {
  if (!existsSync(store)) await writeRandomStore(store, SHAPES[flags.shape as keyof typeof SHAPES], '2:4');
  heading(`serve --device ${device}, ${flags.shape}, 2:4`);
  const rounds = await served();
  const [own, gpu] = await ofEngine();
  print({ name: 'device', measured: gpu });
  for (const [i, count] of clients.entries()) {
    const { rate, begun, ended } = rounds[i]!;
    const share = rate / own[i]!;
    print({ name: `tokens/s of the engine, ${count} texts`, measured: own[i]!.toFixed(0) });
    print({
      name: `tokens/s through HTTP, ${count} clients`,
      measured: `${rate.toFixed(0)} (${(100 * share).toFixed(1)} %)`,
      target: '>= 95 %',
      met: share >= 0.95,
    });
    const between = (times: readonly number[]) => `${times[0]!.toFixed(1)} to ${times.at(-1)!.toFixed(1)} ms`;
    print({ name: 'their first pieces, and their ends', measured: `${between(begun)}, ${between(ended)}` });
  }
} finally {
  if (flags.store === undefined) await rm(home, { recursive: true });
}

/** Streaming clients that begin together. */
interface Round {
  /** Tokens a second. */
  readonly rate: number;
  /** When each had its first piece, and its end, in milliseconds. */
  readonly begun: readonly number[];
  readonly ended: readonly number[];
}

/** Rounds of streaming clients, of the middle one of each number of clients. */
async function served(): Promise<Round[]> {
  const ask = (seed: number, tokens = TOKENS) => ({
    prompt: PROMPT,
    max_tokens: tokens,
    temperature: 0,
    seed,
  });
  const agent = connections(64);
  const start = async () => {
    const started = performance.now();
    const server = await serve(
      ...['--store', store, '--device', device, '--model-name', 'random', '--verify', 'none'],
      ...['--max-sequences', String(Math.max(...clients))],
    );
    const ready = (performance.now() - started) / 1000;
    await stream(server.url, 'random', ask(0, 1), agent);
    return { server, ready, first: (performance.now() - started) / 1000 };
  };
  // The first start fills the page cache, and the driver's cache of kernels.
  const before = await start();
  await before.server.stop();
  const { server, ready, first } = await start();
  print({ name: 'ready', measured: `${ready.toFixed(2)} s` });
  print({ name: 'first token', measured: `${first.toFixed(2)} s`, target: '< 3 s', met: first < 3 });
  try {
    const middles: Round[] = [];
    for (const count of clients) {
      const rounds: Round[] = [];
      for (let round = 0; round < ROUNDS; round++) {
        const tokens = await metricOf(server.url, 'generated_tokens_total');
        const began = performance.now();
        const sinceBegin = () => performance.now() - began;
        const [begun, ended]: [number[], number[]] = [[], []];
        const one = async (seed: number) => {
          await stream(server.url, 'random', ask(seed), agent, () => begun.push(sinceBegin()));
          ended.push(sinceBegin());
        };
        await Promise.all(Array.from({ length: count }, (_, i) => one(i)));
        const seconds = sinceBegin() / 1000;
        const rate = ((await metricOf(server.url, 'generated_tokens_total')) - tokens) / seconds;
        rounds.push({ rate, begun, ended });
      }
      middles.push(rounds.sort((a, b) => a.rate - b.rate)[Math.floor(ROUNDS / 2)]!);
    }
    return middles;
  } finally {
    agent.destroy();
    await server.stop();
  }
}

/** Tokens a second of the engine by itself, for as many texts at once, and what it computes on. */
async function ofEngine(): Promise<[number[], string]> {
  const engine = await openEngine({ store, device, maxContext: 2048 });
  const prompt = Uint32Array.from({ length: 12 }, (_, i) => (i * 7919) % engine.description.vocab);
  const rates: number[] = [];
  for (const count of clients) {
    const rounds: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const began = performance.now();
      const sequences = Array.from({ length: count }, () => engine.reserve(prompt.length + TOKENS)!);
      let inputs = sequences.map(() => prompt);
      for (let step = 0; step < TOKENS; step++) {
        const sampled = await engine.step(
          sequences.map((sequence, i) => ({ sequence, tokens: inputs[i]!, want: 'token' as const })),
        );
        inputs = sampled.map((one) => {
          if ('error' in one) throw one.error;
          return Uint32Array.of(one.token);
        });
      }
      rounds.push((count * TOKENS) / ((performance.now() - began) / 1000));
      for (const sequence of sequences) sequence.release();
    }
    rates.push(median(rounds));
  }
  const { gpu } = engine.device;
  await engine.close();
  return [rates, String(gpu ?? device)];
}
