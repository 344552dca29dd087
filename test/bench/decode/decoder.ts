import type { Engine, Sequence } from '@esparse/engine';
import { median } from '../table.ts';

/** Decoding is measured in rounds of so many steps, all stores in turn, so that a busy neighbour meets each. */
export const STEPS = 12;
export const ROUNDS = 7;
/** Tokens of a prompt. */
export const PROMPT = 128;
/** Tokens of a step at most, as the engine has them where nothing else is asked for. */
const PIECE = 512;

/** Seconds a step, with so many sequences that each gain a token. */
export async function decoder(engine: Engine, count: number): Promise<() => Promise<number>> {
  const tokens = ROUNDS * STEPS + 2 * STEPS;
  const sequences: Sequence[] = [];
  for (let i = 0; i < count; i++) sequences.push(await begun(engine, tokens, i));
  let next = 300;
  return async () => {
    const started = performance.now();
    for (let step = 0; step < STEPS; step++) {
      await engine.step(
        sequences.map((sequence) => ({
          sequence,
          tokens: Uint32Array.of(next++ % engine.description.vocab),
          want: 'lastLogits' as const,
        })),
      );
    }
    return (performance.now() - started) / 1000 / STEPS;
  };
}

async function begun(engine: Engine, tokens: number, first: number): Promise<Sequence> {
  const sequence = engine.reserve(tokens)!;
  await engine.step([{ sequence, tokens: Uint32Array.of(first + 2), want: 'nothing' }]);
  return sequence;
}

/** Seconds until the first token of a prompt, the median of three. */
export async function medianPrefill(engine: Engine): Promise<number> {
  return median([await prefill(engine), await prefill(engine), await prefill(engine)]);
}

/** Seconds until the first token of a prompt, which goes through the engine in pieces as a server's does. */
export async function prefill(engine: Engine, length = PROMPT): Promise<number> {
  const sequence = engine.reserve(length)!;
  const tokens = Uint32Array.from({ length }, (_, i) => (i * 37 + 5) % engine.description.vocab);
  const started = performance.now();
  for (let from = 0; from < length; from += PIECE) {
    const want = from + PIECE < length ? 'nothing' : 'lastLogits';
    await engine.step([{ sequence, tokens: tokens.subarray(from, from + PIECE), want }]);
  }
  const seconds = (performance.now() - started) / 1000;
  sequence.release();
  return seconds;
}
