/**
 * Every family gives what the Hugging Face library gives, through ONNX Runtime and through the engine: the fixtures were
 * written by `test/python/transformers_fixtures.py`.
 */
import { readdirSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { relativeError } from '@esparse/laws';
import { storeWeights } from '@esparse/model-store';
import { createBlockRunner, embedTokens, sequenceLogits } from '@esparse/onnx';
import { openStore } from '@esparse/store';
import { openEngine } from './index.ts';
import { checkpointModel, writeTestStore } from './testing/test-store.ts';

const FIXTURES = path.join(import.meta.dirname, '../../../test/fixtures/transformers');
/** f32 against f64 through three blocks; the library turns its angles in f32. */
const TOLERANCE = 1e-4;

interface Expected {
  readonly sequences: readonly {
    readonly tokens: readonly number[];
    readonly logits: readonly (readonly number[])[];
  }[];
  /** The inputs of the last block's linears, of the longest sequence. */
  readonly taps: Readonly<Record<string, readonly (readonly number[])[]>>;
}

let home: string;
beforeAll(async () => {
  home = await mkdtemp(path.join(tmpdir(), 'esparse-transformers-'));
});
afterAll(() => rm(home, { recursive: true, force: true }));

async function fixture(name: string, runtime: string) {
  const folder = path.join(FIXTURES, name);
  const expected = JSON.parse(await readFile(path.join(folder, 'expected.json'), 'utf8')) as Expected;
  const store = path.join(home, `${name}-${runtime}`);
  const description = await writeTestStore(store, await checkpointModel(folder));
  const weights = storeWeights(await (await openStore(store)).openRun(), description);
  return { expected, store, description, weights };
}

describe.each(readdirSync(FIXTURES))('%s', (name) => {
  test('ONNX Runtime gives the logits and the taps', async () => {
    const { expected, description, weights } = await fixture(name, 'onnx');
    for (const { tokens, logits } of expected.sequences) {
      const found = await sequenceLogits(description, weights, Uint32Array.from(tokens));
      expect(relativeError(found, logits.flat())).toBeLessThan(TOLERANCE);
    }
    const tokens = Uint32Array.from(expected.sequences.at(-1)!.tokens);
    const runner = await createBlockRunner(description, { seqlen: tokens.length });
    let hidden = await embedTokens(description, weights, tokens, tokens.length);
    for (let block = 0; block < description.blocks - 1; block++) {
      hidden = await (await runner.load(block, weights)).advance(hidden);
    }
    const taps = await (await runner.load(description.blocks - 1, weights)).taps(hidden);
    expect(taps.map(({ tap }) => tap)).toEqual(Object.keys(expected.taps));
    for (const { tap, data } of taps) {
      expect(relativeError(data, expected.taps[tap]!.flat())).toBeLessThan(TOLERANCE);
    }
    await runner.release();
  });

  test('the engine gives the logits, however a sequence is cut', async () => {
    const { expected, store, description } = await fixture(name, 'engine');
    for (const { tokens, logits } of expected.sequences) {
      // LongRoPE turns by the context that the engine is opened with.
      const engine = await openEngine({ store, kvBytes: 4 << 20, maxContext: tokens.length });
      const sequence = engine.reserve(tokens.length)!;
      // Some tokens at once, the rest one by one: positions go on.
      for (let at = 0; at < tokens.length; at += at === 0 ? 9 : 1) {
        const step = Uint32Array.from(tokens.slice(at, at === 0 ? 9 : at + 1));
        const [found] = await engine.step([{ sequence, tokens: step, want: 'allLogits' }]);
        step.forEach((_, t) => {
          const row = found.subarray(t * description.vocab, (t + 1) * description.vocab);
          expect(relativeError(row, logits[at + t]!)).toBeLessThan(TOLERANCE);
        });
      }
      await engine.close();
    }
  });
});
