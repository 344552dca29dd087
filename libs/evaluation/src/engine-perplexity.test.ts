import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { openEngine, type Engine } from '@esparse/engine';
import { storeWeights } from '@esparse/model-store';
import { openStore } from '@esparse/store';
import { randomModel, writeTestStore } from '../../engine/src/testing/test-store.ts';
import { enginePerplexity } from './engine-perplexity.ts';
import { perplexity } from './perplexity.ts';

const SEQLEN = 40;
const TOKENS = Uint32Array.from({ length: 150 }, (_, i) => (i * i * 7 + 3 * i) % 70);

let home: string;
let engine: Engine;
beforeAll(async () => {
  home = await mkdtemp(path.join(tmpdir(), 'esparse-perplexity-'));
  await writeTestStore(home, randomModel(), { pattern: { keep: 2, group: 4 } });
  engine = await openEngine({ store: home, kvBytes: 1 << 22, maxStepTokens: 16 });
});
afterAll(async () => {
  await engine.close();
  await rm(home, { recursive: true, force: true });
});

test('the engine finds the perplexity that ONNX Runtime finds, in windows cut into steps of any size', async () => {
  const run = await (await openStore(home)).openRun();
  const weights = storeWeights(run, engine.description);
  const expected = await perplexity({
    description: engine.description,
    weights,
    tokens: TOKENS,
    seqlen: SEQLEN,
  });
  const seen: number[] = [];
  const onProgress = ({ done }: { done: number }) => seen.push(done);
  const found = await enginePerplexity({ engine, tokens: TOKENS, seqlen: SEQLEN, onProgress });
  expect(found).toMatchObject({ windows: 3, tokens: 3 * (SEQLEN - 1) });
  expect(Math.abs(found.perplexity / expected.perplexity - 1)).toBeLessThan(1e-6);
  expect(seen).toEqual([1 / 3, 2 / 3, 1]);
  expect(engine.freePages()).toBe(engine.pages);
});

test('it stops where its signal says so, and refuses a text shorter than a window', async () => {
  const signal = AbortSignal.abort();
  const stopped = enginePerplexity({ engine, tokens: TOKENS, seqlen: SEQLEN, signal });
  await expect(stopped).rejects.toMatchObject({ name: 'AbortError' });
  const short = enginePerplexity({ engine, tokens: TOKENS.subarray(0, 9), seqlen: SEQLEN });
  await expect(short).rejects.toMatchObject({ kind: 'text' });
});
