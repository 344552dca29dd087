import { relativeError, uniform } from '@esparse/laws';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { ModelDescription } from '@esparse/model';
import { storeWeights } from '@esparse/model-store';
import { openStore } from '@esparse/store';
import { argmax, logSumExp, openEngine, type Engine, type Sequence, type StepPart } from './index.ts';
import { onnxModel, type OnnxModel } from './testing/onnx-logits.ts';
import { exampleModel, randomModel, writeTestStore } from './testing/test-store.ts';

let home: string;
beforeAll(async () => {
  home = await mkdtemp(path.join(tmpdir(), 'esparse-engine-'));
});
afterAll(() => rm(home, { recursive: true, force: true }));

const SMALL = { kvBytes: 64 << 20, threads: 2 };

/** The logits of each position, the tokens given in pieces. */
async function logitsOf(
  engine: Engine,
  tokens: Uint32Array,
  pieces: readonly number[] = [tokens.length],
): Promise<Float32Array> {
  const sequence = engine.reserve(tokens.length)!;
  const all: number[] = [];
  let at = 0;
  for (const length of pieces) {
    const part = { sequence, tokens: tokens.subarray(at, (at += length)), want: 'allLogits' } as const;
    const [logits] = await engine.step([part]);
    for (const logit of logits) all.push(logit);
  }
  sequence.release();
  return Float32Array.from(all);
}

/** Whether two arrays are the same to the last bit. */
function sameBits(a: Float32Array, b: Float32Array): boolean {
  const bytes = (x: Float32Array) => new Uint8Array(x.buffer, x.byteOffset, x.byteLength);
  return Buffer.compare(bytes(a), bytes(b)) === 0;
}

function randomTokens(count: number, vocab: number, seed: number): Uint32Array {
  const random = uniform(seed);
  return Uint32Array.from({ length: count }, () => random() * vocab);
}

async function onnxOf(store: string, description: ModelDescription, seqlen: number): Promise<OnnxModel> {
  const run = await (await openStore(store)).openRun();
  return onnxModel(description, storeWeights(run, description), seqlen);
}

describe.each([
  ['2:4', { keep: 2, group: 4 }, 20],
  ['4:8', { keep: 4, group: 8 }, 4],
  ['dense', undefined, 4],
] as const)('the example model, %s', (name, pattern, prompts) => {
  const LENGTH = 80;
  let engine: Engine;
  let onnx: OnnxModel;
  beforeAll(async () => {
    const store = path.join(home, name.replace(':', '-'));
    const description = await writeTestStore(store, await exampleModel(), { pattern });
    engine = await openEngine({ store, ...SMALL });
    onnx = await onnxOf(store, description, LENGTH);
  });
  afterAll(async () => {
    await engine.close();
    await onnx.release();
  });

  test('has the logits of the ONNX path at every position, and its likelihoods', async () => {
    const { vocab } = engine.description;
    const tokens = randomTokens(LENGTH, vocab, 5);
    const found = await logitsOf(engine, tokens);
    const expected = await onnx.logits(tokens);
    expected.forEach((row, t) => {
      expect(relativeError(found.subarray(t * vocab, (t + 1) * vocab), row)).toBeLessThan(1e-5);
    });
    (await onnx.nll(tokens)).forEach((nll, t) => {
      const logits = found.subarray(t * vocab, (t + 1) * vocab);
      expect(logSumExp(logits) - logits[tokens[t + 1]!]!).toBeCloseTo(nll, 4);
    });
  });

  test('a sequence that is taken back gives what follows the bits that it has by itself', async () => {
    const { vocab } = engine.description;
    const [start, one, other] = [
      randomTokens(40, vocab, 1),
      randomTokens(30, vocab, 2),
      randomTokens(20, vocab, 3),
    ];
    const expected = await logitsOf(engine, Uint32Array.of(...start, ...other));
    const sequence = engine.reserve(80)!;
    await engine.step([{ sequence, tokens: Uint32Array.of(...start, ...one), want: 'nothing' }]);
    sequence.rewind(start.length);
    expect(sequence.length).toBe(start.length);
    const [found] = await engine.step([{ sequence, tokens: other, want: 'allLogits' }]);
    expect(sameBits(found, expected.subarray(start.length * vocab))).toBe(true);
    expect(() => {
      sequence.rewind(61);
    }).toThrow(/60 tokens is not taken back to 61/);
    sequence.release();
  });

  test(`takes the tokens that the ONNX path ranks first, 64 after each of ${prompts} prompts`, async () => {
    const { vocab } = engine.description;
    for (let prompt = 0; prompt < prompts; prompt++) {
      const tokens = new Uint32Array(LENGTH);
      tokens.set(randomTokens(LENGTH - 64, vocab, 100 + prompt));
      const sequence = engine.reserve(LENGTH)!;
      for (let at = LENGTH - 64, from = 0; at < LENGTH; from = at++) {
        const part = { sequence, tokens: tokens.subarray(from, at), want: 'lastLogits' } as const;
        const [logits] = await engine.step([part]);
        tokens[at] = argmax(logits);
      }
      sequence.release();
      const greedy = (await onnx.logits(tokens)).map((row) =>
        row.indexOf(row.reduce((a, b) => (a > b ? a : b))),
      );
      expect(greedy.slice(LENGTH - 65, -1)).toEqual([...tokens.slice(LENGTH - 64)]);
    }
  });
});

describe('a sequence', () => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await openEngine({ store: path.join(home, '2-4'), ...SMALL });
  });
  afterAll(() => engine.close());

  test('has the same bits however its tokens are cut into steps', async () => {
    const tokens = randomTokens(100, engine.description.vocab, 9);
    const whole = await logitsOf(engine, tokens);
    for (const pieces of [Array<number>(100).fill(1), [7, 93], [16, 16, 16, 52], [33, 1, 1, 65]]) {
      expect(sameBits(await logitsOf(engine, tokens, pieces), whole)).toBe(true);
    }
  });

  test('has the same bits alone and in a batch of 16 of other lengths, some of them still in prefill', async () => {
    const { vocab } = engine.description;
    const prompts = Array.from({ length: 16 }, (_, i) => randomTokens(3 + 5 * i, vocab, 20 + i));
    const alone: Float32Array[] = [];
    for (const prompt of prompts) alone.push(await logitsOf(engine, prompt));
    const sequences = prompts.map((prompt) => engine.reserve(prompt.length)!);
    const found = prompts.map(() => new Array<number>());
    for (let round = 0; ; round++) {
      const parts = prompts.flatMap((prompt, i) => {
        const sequence = sequences[i]!;
        // Each goes at a pace of its own.
        const tokens = prompt.subarray(sequence.length, sequence.length + 1 + ((i + round) % 9));
        return tokens.length === 0 ? [] : [{ sequence, tokens, want: 'allLogits', i } as const];
      });
      if (parts.length === 0) break;
      const step = await engine.step(parts);
      step.forEach((logits, p) => found[parts[p]!.i]!.push(...logits));
    }
    sequences.forEach((sequence) => {
      sequence.release();
    });
    found.forEach((logits, i) => {
      expect(sameBits(Float32Array.from(logits), alone[i]!)).toBe(true);
    });
  });

  test('gives its logits after its last token, after all, or not at all', async () => {
    const { vocab } = engine.description;
    const [a, b, c] = [engine.reserve(9)!, engine.reserve(9)!, engine.reserve(9)!];
    const tokens = randomTokens(4, vocab, 2);
    const [all, none, last] = await engine.step([
      { sequence: a, tokens, want: 'allLogits' },
      { sequence: b, tokens, want: 'nothing' },
      { sequence: c, tokens, want: 'lastLogits' },
    ]);
    expect([all.length, none, last.length]).toEqual([4 * vocab, undefined, vocab]);
    expect(sameBits(last, all.subarray(3 * vocab))).toBe(true);
    expect([a.length, b.length, c.length]).toEqual([4, 4, 4]);
    for (const sequence of [a, b, c]) sequence.release();
  });

  test('holds its pages until it is released, and no more than are free can be reserved', async () => {
    const small = await openEngine({
      store: path.join(home, '2-4'),
      kvBytes: 5 * engine.pageBytes,
      maxContext: 64,
    });
    expect([small.pages, small.freePages(), small.pagesFor(16), small.pagesFor(17)]).toEqual([5, 5, 1, 2]);
    const [a, b] = [small.reserve(33)!, small.reserve(32)!];
    expect(small.freePages()).toBe(0);
    expect(small.reserve(1)).toBeUndefined();
    a.release();
    a.release();
    expect(small.freePages()).toBe(3);
    expect(small.reserve(64)).toBeUndefined();
    const again = small.reserve(48)!;
    expect([again.capacity, again.length]).toEqual([48, 0]);
    expect(() => small.reserve(65)).toThrow(expect.objectContaining({ kind: 'usage' }));
    b.release();
    again.release();
    expect(small.freePages()).toBe(5);
    await small.close();
    expect(() => small.reserve(1)).toThrow(/closed/);
  });

  test('is not harmed by what it shared its pages with before: not a NaN of another sequence gets in', async () => {
    const one = await openEngine({ store: path.join(home, '2-4'), kvBytes: 3 * engine.pageBytes });
    const { vocab } = one.description;
    const long = randomTokens(48, vocab, 31);
    const first = await logitsOf(one, long.subarray(0, 5));
    await logitsOf(one, long);
    expect(sameBits(await logitsOf(one, long.subarray(0, 5)), first)).toBe(true);
    await one.close();
  });

  test('refuses a step that cannot be, and is unchanged by it', async () => {
    const { vocab } = engine.description;
    const sequence = engine.reserve(4)!;
    const tokens = Uint32Array.of(1, 2);
    const whole = { sequence, tokens, want: 'lastLogits' } as const;
    const step = (part: object, ...more: StepPart[]) => engine.step([{ ...whole, ...part }, ...more]);
    const released = engine.reserve(4)!;
    released.release();
    const foreign = {
      length: 0,
      capacity: 9,
      released: false,
      rewind: () => undefined,
      release: () => undefined,
    } satisfies Sequence;
    for (const [part, said] of [
      [{ tokens: Uint32Array.of(0, vocab) }, /outside the vocabulary/],
      [{ tokens: new Uint32Array(5) }, /at most 4/],
      [{ tokens: new Uint32Array(0) }, /without tokens/],
      [{ sequence: released }, /released/],
      [{ sequence: foreign }, /another engine/],
    ] as const) {
      await expect(step(part)).rejects.toEqual(
        expect.objectContaining({ kind: 'usage', message: expect.stringMatching(said) }),
      );
    }
    await expect(step({}, whole)).rejects.toThrow(/twice/);
    const long = engine.reserve(engine.maxStepTokens + 1)!;
    const many = { sequence: long, tokens: new Uint32Array(engine.maxStepTokens + 1) };
    await expect(step(many)).rejects.toThrow(/of a step/);
    await expect(engine.step([])).rejects.toThrow(/no tokens/);
    expect(sequence.length).toBe(0);
    const [logits] = await engine.step([whole]);
    expect(logits.length).toBe(vocab);
    for (const one of [sequence, long]) one.release();
    expect(engine.freePages()).toBe(engine.pages);
  });
});

const LLAMA3 = {
  rope_type: 'llama3',
  factor: 8,
  low_freq_factor: 1,
  high_freq_factor: 4,
  original_max_position_embeddings: 64,
};

describe.each([
  ['a head of its own', { tie_word_embeddings: false }, {}],
  ['biases', { attention_bias: true, mlp_bias: true }, { dense: ['q_proj', 'down_proj'] }],
  ['one key head', { num_attention_heads: 6, num_key_value_heads: 1, head_dim: 10 }, {}],
  ['rotary scaling of LLaMA 3', { rope_scaling: LLAMA3 }, {}],
  ['YaRN', { rope_scaling: { rope_type: 'yarn', factor: 4, original_max_position_embeddings: 32 } }, {}],
  ['dynamic scaling up to its trained length', { rope_scaling: { rope_type: 'dynamic', factor: 4 } }, {}],
  ['f32 tensors', {}, { f32: true, dense: ['up_proj'] }],
] as const)('a random model with %s', (name, config, options) => {
  test('has the logits of the ONNX path', async () => {
    const store = path.join(home, name.replaceAll(' ', '-'));
    const description = await writeTestStore(store, randomModel(config), {
      pattern: { keep: 2, group: 4 },
      ...options,
    });
    const engine = await openEngine({ store, kvBytes: 1 << 22 });
    const onnx = await onnxOf(store, description, 50);
    const tokens = randomTokens(50, description.vocab, 4);
    const found = await logitsOf(engine, tokens, [13, 37]);
    const { vocab } = description;
    (await onnx.logits(tokens)).forEach((row, t) => {
      expect(relativeError(found.subarray(t * vocab, (t + 1) * vocab), row)).toBeLessThan(1e-5);
    });
    await engine.close();
    await onnx.release();
  });
});
