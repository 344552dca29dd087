import { openEngine, type Engine } from '@esparse/engine';
import { decoder, medianPrefill, PROMPT, ROUNDS, STEPS } from './decoder.ts';
import { ggufOf } from './gguf-of.ts';
import { openLlamaCpp, type LlamaCppDecoder } from './llama-cpp.ts';
import { heading, median, print } from '../table.ts';

/** Stores of the same shape: linears 2:4 in bf16, and in integers with embedding and head in int8; the last two dense. */
export interface IntegerStores {
  readonly bf16: string;
  readonly int8: string;
  readonly int4: string;
  readonly denseInt8: string;
  readonly denseInt4: string;
}

/** What is compared: seconds a token, asked for in turn. */
interface Contestant {
  readonly name: string;
  readonly step: () => Promise<number>;
  readonly seconds: number[];
}

/**
 * Decoding with integers, against our bf16 and against llama.cpp, which reads the dense integers as Q8_0 and Q4_0 out of the files
 * that `esparse export` writes: the same numbers, with the head in Q8_0.
 *
 * @param llamaCpp see `openLlamaCpp`
 */
export async function benchIntegers(
  stores: IntegerStores,
  threads: number,
  llamaCpp?: string,
): Promise<void> {
  heading(`decoding with integers, LLaMA 1.1B, ${threads} threads, all in turn`);
  const engines = new Map<string, Engine>();
  const peers: LlamaCppDecoder[] = [];
  try {
    const contestants: Contestant[] = [];
    for (const [name, store] of Object.entries(stores) as [keyof IntegerStores, string][]) {
      const engine = await openEngine({ store, threads });
      engines.set(name, engine);
      contestants.push({ name, step: await decoder(engine, 1), seconds: [] });
    }
    for (const name of ['denseInt8', 'denseInt4'] as const) {
      const peer = await openLlamaCpp(await ggufOf(stores[name]), threads, llamaCpp);
      peers.push(peer);
      const title = name === 'denseInt8' ? 'Q8_0' : 'Q4_0';
      contestants.push({ name: title, step: () => peer.decode(STEPS), seconds: [] });
    }
    print({ name: `llama.cpp: ${peers[0]!.system.slice(0, 160)}`, measured: '' });
    for (const { step } of contestants) await step();
    for (let round = 0; round < ROUNDS; round++) {
      for (const { step, seconds } of contestants) seconds.push(await step());
    }
    report(contestants, engines);
    await reportPrefill(engines);
  } finally {
    for (const peer of peers) peer.close();
    for (const engine of engines.values()) await engine.close();
  }
}

const LABELS: Readonly<Record<string, string>> = {
  bf16: '2:4 bf16, head bf16',
  int8: '2:4 int8, head int8',
  int4: '2:4 int4, head int8',
  denseInt8: 'dense int8',
  denseInt4: 'dense int4, head int8',
  Q8_0: 'llama.cpp, dense Q8_0',
  Q4_0: 'llama.cpp, dense Q4_0, head Q8_0',
};

/** Asked for: how many times as fast as another. */
const TARGETS = [
  ['int8', 'bf16', 1.5],
  ['int4', 'bf16', 2],
  ['int8', 'Q8_0', 1.4],
  ['int4', 'Q4_0', 1.15],
  ['int4', 'denseInt4', undefined],
  ['denseInt8', 'Q8_0', undefined],
  ['denseInt4', 'Q4_0', undefined],
] as const;

function report(contestants: readonly Contestant[], engines: ReadonlyMap<string, Engine>): void {
  const secondsOf = new Map(contestants.map(({ name, seconds }) => [name, seconds]));
  for (const { name, seconds } of contestants) {
    const bytes = engines.get(name)?.weightBytes;
    const read = bytes && bytes.linears + bytes.permutations + bytes.head;
    print({
      name: LABELS[name]!,
      measured: `${(1 / median(seconds)).toFixed(2)} tokens/s`,
      ...(read && { target: `${(read / 1e6).toFixed(0)} MB a token` }),
    });
  }
  for (const [one, other, least] of TARGETS) {
    // Of rounds, whose neighbours' disturbance both have met.
    const ratio = median(
      secondsOf.get(one)!.map((seconds, round) => secondsOf.get(other)![round]! / seconds),
    );
    print({
      name: `${LABELS[one]!} against ${LABELS[other]!}`,
      measured: `${ratio.toFixed(2)} x`,
      ...(least !== undefined && { target: `>= ${least} x`, met: ratio >= least }),
    });
  }
}

async function reportPrefill(engines: ReadonlyMap<string, Engine>): Promise<void> {
  const [bf16, int8, int4] = [
    await medianPrefill(engines.get('bf16')!),
    await medianPrefill(engines.get('int8')!),
    await medianPrefill(engines.get('int4')!),
  ];
  for (const [name, seconds] of [
    ['int8', int8],
    ['int4', int4],
  ] as const) {
    print({
      name: `prefill of ${PROMPT} tokens, 2:4 ${name}: ${(PROMPT / seconds).toFixed(0)} tokens/s, against bf16`,
      measured: `${(bf16 / seconds).toFixed(2)} x`,
      target: '>= 1 x',
      met: bf16 >= seconds,
    });
  }
}
