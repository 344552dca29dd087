import { openEngine, type Engine } from '@esparse/engine';
import { heading, median, print } from '../table.ts';
import { prefill, ROUNDS } from './decoder.ts';

/** Stores of the same shape, 2:4: survivors in bf16, and in integers. */
export interface PrefillStores {
  readonly bf16: string;
  readonly int8: string;
  readonly int4: string;
}

/** Tokens of a long prompt. */
const LONG = 2048;

/** A long prompt over survivors in integers against one over bf16, all in turn, round by round. */
export async function benchPrefill(stores: PrefillStores, threads: number): Promise<void> {
  heading(
    `a prompt of ${LONG} tokens, LLaMA 1.1B, ${threads} threads, all in turn, median of ${ROUNDS} rounds`,
  );
  const engines = new Map<keyof PrefillStores, Engine>();
  try {
    for (const name of ['bf16', 'int8', 'int4'] as const) {
      const engine = await openEngine({ store: stores[name], threads });
      engines.set(name, engine);
      // Pages that are mapped are read from the disk the first time.
      await prefill(engine);
    }
    const seconds: Record<keyof PrefillStores, number[]> = { bf16: [], int8: [], int4: [] };
    for (let round = 0; round < ROUNDS; round++) {
      for (const [name, engine] of engines) seconds[name].push(await prefill(engine, LONG));
    }
    report(seconds);
  } finally {
    for (const engine of engines.values()) await engine.close();
  }
}

function report(seconds: Readonly<Record<keyof PrefillStores, readonly number[]>>): void {
  const speed = (name: keyof PrefillStores) => `${(LONG / median(seconds[name])).toFixed(1)} tokens/s`;
  print({ name: '2:4 bf16', measured: speed('bf16') });
  for (const name of ['int8', 'int4'] as const) {
    print({ name: `2:4 ${name}`, measured: speed(name) });
    // Of rounds, whose neighbours' disturbance both have met.
    const ratio = median(seconds.bf16.map((bf16, round) => bf16 / seconds[name][round]!));
    print({
      name: `2:4 ${name} against 2:4 bf16`,
      measured: `${ratio.toFixed(2)} x`,
      target: '>= 1 x',
      met: ratio >= 1,
    });
  }
}
