/** Mixtures of experts in the engine: what a text is given does not depend on its company, whichever experts it shares. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { uniform } from '@esparse/laws';
import { chooseExperts } from './backends/cpu/router.ts';
import { openEngine, type Engine } from './index.ts';
import { checkpointModel, writeTestStore } from './testing/test-store.ts';

const FIXTURES = path.join(import.meta.dirname, '../../../test/fixtures/transformers');

let home: string;
beforeAll(async () => {
  home = await mkdtemp(path.join(tmpdir(), 'esparse-mixture-'));
});
afterAll(() => rm(home, { recursive: true, force: true }));

function texts(vocab: number): Uint32Array[] {
  const random = uniform(5);
  return [1, 4, 9, 17, 30].map((length) => Uint32Array.from({ length }, () => Math.floor(random() * vocab)));
}

async function alone(engine: Engine, tokens: Uint32Array, each: number): Promise<number[]> {
  const sequence = engine.reserve(tokens.length)!;
  const logits: number[] = [];
  for (let at = 0; at < tokens.length; at += each) {
    const [found] = await engine.step([
      { sequence, tokens: tokens.subarray(at, at + each), want: 'allLogits' },
    ]);
    logits.push(...found);
  }
  sequence.release();
  return logits;
}

test.each(['mixtral', 'qwen3-moe', 'gpt-oss'])(
  'a text of a pruned %s has the same bits alone, in company, and however it is cut',
  async (name) => {
    const store = path.join(home, name);
    const pattern = { keep: 2, group: 4 };
    await writeTestStore(store, await checkpointModel(path.join(FIXTURES, name)), { pattern });
    const engine = await openEngine({ store, kvBytes: 1 << 20 });
    const all = texts(engine.description.vocab);
    const expected: number[][] = [];
    for (const tokens of all) expected.push(await alone(engine, tokens, tokens.length));
    for (const [i, tokens] of all.entries()) {
      expect(await alone(engine, tokens, 1)).toEqual(expected[i]);
      expect(await alone(engine, tokens, 7)).toEqual(expected[i]);
    }
    const parts = all.map((tokens) => ({
      sequence: engine.reserve(tokens.length)!,
      tokens,
      want: 'allLogits' as const,
    }));
    const together = await engine.step(parts);
    expect(together.map((logits) => [...logits])).toEqual(expected);
    await engine.close();
  },
);

describe('the experts of a token', () => {
  const choose = (logits: number[], top: number, normalise: boolean) => {
    const shares = new Float32Array(logits.length).fill(7);
    chooseExperts({ top, normalise }, Float32Array.from(logits), shares);
    return [...shares];
  };
  const log = (shares: number[]) => shares.map(Math.log);

  test('are those of the largest shares of all, which stay what they are or are made to add up to 1', () => {
    const shares = log([0.1, 0.4, 0.2, 0.3]);
    for (const [i, share] of [0, 0.4, 0, 0.3].entries())
      expect(choose(shares, 2, false)[i]).toBeCloseTo(share, 6);
    for (const [i, share] of [0, 4 / 7, 0, 3 / 7].entries())
      expect(choose(shares, 2, true)[i]).toBeCloseTo(share, 6);
  });

  test('are the first ones of equal ones, and all of them where all are asked', () => {
    expect(choose([1, 1, 1, 1], 2, true)).toEqual([0.5, 0.5, 0, 0]);
    expect(choose([0, 0], 2, true)).toEqual([0.5, 0.5]);
  });

  test('of very large logits have finite shares', () => {
    expect(choose([1e30, 0, -1e30], 2, true)).toEqual([1, 0, 0]);
  });
});
