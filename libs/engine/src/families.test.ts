import { relativeError } from '@esparse/laws';
/**
 * Every family gives the logits of another implementation, through ONNX Runtime and through the engine: the fixtures were
 * written by `test/python/family_fixtures.py`.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { storeWeights } from '@esparse/model-store';
import { openStore } from '@esparse/store';
import { openEngine } from './index.ts';
import { onnxModel } from './testing/onnx-logits.ts';
import { checkpointModel, writeTestStore } from './testing/test-store.ts';

const FIXTURES = path.join(import.meta.dirname, '../../../test/fixtures/families');
/** f32 against f64 through two blocks. */
const TOLERANCE = 2e-5;

let home: string;
beforeAll(async () => {
  home = await mkdtemp(path.join(tmpdir(), 'esparse-families-'));
});
afterAll(() => rm(home, { recursive: true, force: true }));

interface Expected {
  readonly tokens: readonly number[];
  readonly logits: readonly (readonly number[])[];
}

test.each(['llama', 'mistral', 'opt', 'qwen2'])(
  '%s gives the logits of another implementation',
  async (name) => {
    const folder = path.join(FIXTURES, name);
    const { tokens, logits } = JSON.parse(
      await readFile(path.join(folder, 'expected.json'), 'utf8'),
    ) as Expected;
    const store = path.join(home, name);
    const description = await writeTestStore(store, await checkpointModel(folder));
    expect(description.family).toBe(name);

    const run = await (await openStore(store)).openRun();
    const onnx = await onnxModel(description, storeWeights(run, description), tokens.length);
    const rows = await onnx.logits(Uint32Array.from(tokens));
    for (const [t, row] of logits.entries()) expect(relativeError(rows[t]!, row)).toBeLessThan(TOLERANCE);
    const nll = await onnx.nll(Uint32Array.from(tokens));
    for (const [t, value] of nll.entries()) {
      const total = Math.log(logits[t]!.reduce((sum, logit) => sum + Math.exp(logit), 0));
      expect(value).toBeCloseTo(total - logits[t]![tokens[t + 1]!]!, 3);
    }
    await onnx.release();

    const engine = await openEngine({ store, kvBytes: 1 << 20 });
    const sequence = engine.reserve(tokens.length)!;
    // Some tokens at once, the rest one by one: positions go on.
    const steps = [tokens.slice(0, 9), ...tokens.slice(9).map((token) => [token])];
    let at = 0;
    for (const step of steps) {
      const part = { sequence, tokens: Uint32Array.from(step), want: 'allLogits' } as const;
      const [found] = await engine.step([part]);
      for (let t = 0; t < step.length; t++, at++) {
        const row = found.subarray(t * description.vocab, (t + 1) * description.vocab);
        expect(relativeError(row, logits[at]!)).toBeLessThan(TOLERANCE);
      }
    }
    await engine.close();
  },
);
