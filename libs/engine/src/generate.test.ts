import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { generate, argmax, openEngine, type Engine, type GenerateOptions } from './index.ts';
import { randomModel, writeTestStore } from './testing/test-store.ts';

let home: string;
let engine: Engine;
beforeAll(async () => {
  home = await mkdtemp(path.join(tmpdir(), 'esparse-generate-'));
  await writeTestStore(home, randomModel(), { pattern: { keep: 2, group: 4 } });
  engine = await openEngine({ store: home, kvBytes: 1 << 22, maxContext: 40, maxStepTokens: 8 });
});
afterAll(async () => {
  await engine.close();
  await rm(home, { recursive: true, force: true });
});

const PROMPT = Uint32Array.from({ length: 19 }, (_, i) => (i * 29) % 70);

/** All tokens, and why there are no more. */
async function all(options: Partial<GenerateOptions> = {}): Promise<[number[], string]> {
  const generated = generate(engine, { prompt: PROMPT, maxTokens: 10, ...options });
  const tokens: number[] = [];
  for (;;) {
    const next = await generated.next();
    if (next.done === true) return [tokens, next.value];
    tokens.push(next.value);
  }
}

test('tokens follow from the logits of all before them, whatever the size of a step', async () => {
  const [tokens, finish] = await all();
  expect(finish).toBe('length');
  expect(tokens).toHaveLength(10);
  const whole = await openEngine({ store: home, kvBytes: 1 << 22 });
  const sequence = whole.reserve(40)!;
  const inputs = Uint32Array.from([...PROMPT, ...tokens]);
  const [logits] = await whole.step([{ sequence, tokens: inputs, want: 'allLogits' }]);
  tokens.forEach((token, i) => {
    const at = (PROMPT.length - 1 + i) * 70;
    expect(argmax(logits.subarray(at, at + 70))).toBe(token);
  });
  await whole.close();
});

test('it ends at an end token, which it does not give out, at the most tokens, or with the context', async () => {
  const [tokens] = await all();
  const first = tokens.indexOf(tokens[4]!);
  expect(await all({ endTokens: new Set([tokens[4]!]) })).toEqual([tokens.slice(0, first), 'end']);
  expect(await all({ maxTokens: 3 })).toEqual([tokens.slice(0, 3), 'length']);
  const [long, finish] = await all({ maxTokens: 1000 });
  expect([long.length, finish]).toEqual([40 - 19, 'length']);
});

test('its pages come back when it ends, when it is left, and when it is cancelled', async () => {
  await all();
  for await (const token of generate(engine, { prompt: PROMPT, maxTokens: 9 })) {
    expect(engine.freePages()).toBeLessThan(engine.pages);
    expect(token).toBeLessThan(70);
    break;
  }
  expect(engine.freePages()).toBe(engine.pages);
  const controller = new AbortController();
  const cancelled = async () => {
    const options = { prompt: PROMPT, maxTokens: 9, signal: controller.signal };
    for await (const token of generate(engine, options)) controller.abort(token);
  };
  await expect(cancelled()).rejects.toBeDefined();
  expect(engine.freePages()).toBe(engine.pages);
});

test('a prompt that is empty or as long as the context is refused', async () => {
  await expect(all({ prompt: new Uint32Array(0) })).rejects.toMatchObject({ kind: 'usage' });
  await expect(all({ prompt: new Uint32Array(40) })).rejects.toMatchObject({ kind: 'usage' });
  expect(await all({ prompt: new Uint32Array(39), maxTokens: 5 })).toMatchObject([{ length: 1 }, 'length']);
});
