/** What holds of an engine whatever its backend: of the processor's, and of a stand-in that comes in by the same door. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import {
  argmax,
  generate,
  openEngine,
  registerBackend,
  type Engine,
  type EngineOptions,
  type SamplingParams,
} from '../index.ts';
import { standInBackend } from '../testing/stand-in-backend.ts';
import { randomModel, writeTestStore } from '../testing/test-store.ts';

registerBackend('stand-in', () => Promise.resolve(standInBackend));

let home: string;
beforeAll(async () => {
  home = await mkdtemp(path.join(tmpdir(), 'esparse-backends-'));
  await writeTestStore(home, randomModel(), { pattern: { keep: 2, group: 4 } });
});
afterAll(() => rm(home, { recursive: true, force: true }));

const open = (device: string, options: Partial<EngineOptions> = {}) =>
  openEngine({ store: home, device, kvBytes: 1 << 20, maxStepTokens: 16, ...options });

const PROMPT = Uint32Array.from({ length: 9 }, (_, i) => (i * 29) % 70);

async function generated(engine: Engine, sampling: SamplingParams, prompt = PROMPT): Promise<number[]> {
  const tokens: number[] = [];
  for await (const token of generate(engine, { prompt, maxTokens: 8, sampling })) tokens.push(token);
  return tokens;
}

describe.each(['cpu', 'stand-in', 'stand-in:0,1'])('an engine on the backend %s', (device) => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await open(device);
  });
  afterAll(() => engine.close());

  test('chooses the token with the largest logit where no sampling is asked for', async () => {
    const [a, b] = [engine.reserve(20)!, engine.reserve(20)!];
    const [logits, sampled] = await engine.step([
      { sequence: a, tokens: PROMPT.subarray(0, 8), want: 'lastLogits' },
      { sequence: b, tokens: PROMPT.subarray(0, 8), want: 'token' },
    ]);
    expect(sampled).toEqual({ token: argmax(logits), logprobs: undefined });
    for (const sequence of [a, b]) sequence.release();
  });

  test('reports as many log-probabilities as are asked for', async () => {
    const sequence = engine.reserve(20, { logprobs: 3 })!;
    const [sampled] = await engine.step([{ sequence, tokens: PROMPT, want: 'token' }]);
    expect(sampled).toMatchObject({ logprobs: { ids: { length: 3 }, logprobs: { length: 3 } } });
    sequence.release();
  });

  test('generates the same tokens alone and beside others, its steps one after the other', async () => {
    const texts = [{ seed: 1 }, { seed: 2, topK: 4 }, {}].map((more, i) => ({
      sampling: { temperature: i < 2 ? 1.5 : 0, ...more },
      prompt: PROMPT.subarray(i),
    }));
    const together = await Promise.all(
      texts.map(({ sampling, prompt }) => generated(engine, sampling, prompt)),
    );
    for (const [i, { sampling, prompt }] of texts.entries()) {
      expect(await generated(engine, sampling, prompt)).toEqual(together[i]);
    }
    expect(engine.freePages()).toBe(engine.pages);
  });

  test('changes no sequence in a step that is aborted', async () => {
    const sequence = engine.reserve(20)!;
    const part = { sequence, tokens: PROMPT, want: 'token' } as const;
    const aborted = engine.step([part], AbortSignal.abort(new Error('no longer')));
    await expect(aborted).rejects.toThrow('no longer');
    expect(sequence.length).toBe(0);
    const [sampled] = await engine.step([part]);
    expect(sampled).toEqual({ token: (await generated(engine, {}))[0], logprobs: undefined });
    sequence.release();
  });

  test('refuses the sequence of another engine, and sampling parameters out of range', async () => {
    const other = await open(device);
    const sequence = other.reserve(4)!;
    await expect(engine.step([{ sequence, tokens: PROMPT.subarray(0, 2), want: 'token' }])).rejects.toThrow(
      /another engine/,
    );
    await other.close();
    expect(() => engine.reserve(4, { topP: 0 })).toThrow(expect.objectContaining({ kind: 'usage' }));
    expect(engine.freePages()).toBe(engine.pages);
  });
});

test('a backend is asked for by its name, and which of its devices behind a colon', async () => {
  const engine = await open('stand-in:3');
  expect(engine.device).toEqual({ standIn: '3' });
  expect(engine.pageTokens).toBe(4);
  await engine.close();
  await expect(open('cpu:1')).rejects.toMatchObject({
    kind: 'usage',
    message: expect.stringMatching(/cpu:1/),
  });
  await expect(open('abacus')).rejects.toMatchObject({
    kind: 'usage',
    message: expect.stringMatching(/abacus/),
    hint: expect.stringMatching(/cpu, cuda, stand-in/),
  });
});

test('a name is given to one backend only', () => {
  const again = () => {
    registerBackend('cpu', () => Promise.resolve(standInBackend));
  };
  expect(again).toThrow(expect.objectContaining({ kind: 'usage' }));
});

test('a device that cannot be used is an error of opening a model on it', async () => {
  await expect(open('stand-in:broken')).rejects.toMatchObject({ kind: 'unsupported' });
});

test('the opening of a model ends with its signal', async () => {
  const signal = AbortSignal.abort(new Error('no longer'));
  await expect(open('cpu', { signal })).rejects.toThrow('no longer');
  await expect(open('cpu', { signal, verify: 'full' })).rejects.toThrow('no longer');
});

test('the threads of the processor belong to the engine that was opened with them', async () => {
  const [one, two] = [await open('cpu', { threads: 1 }), await open('cpu', { threads: 2 })];
  expect([one.device.threads, two.device.threads]).toEqual([1, 2]);
  const tokens = await generated(one, { temperature: 1, seed: 5 });
  expect(await generated(two, { temperature: 1, seed: 5 })).toEqual(tokens);
  for (const engine of [one, two]) await engine.close();
});
