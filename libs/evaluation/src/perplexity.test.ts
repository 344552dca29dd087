import {
  checkpointWeights,
  openCheckpoint,
  openTokenizer,
  type Checkpoint,
  type WeightSource,
} from '@esparse/checkpoint';
import { describeModel, type ModelDescription } from '@esparse/model';
import { createBlockRunner, createHead, embedTokens } from '@esparse/onnx';
import path from 'node:path';
import { perplexity, windowsAtOnce, type PerplexityProgress } from './perplexity.ts';

const EXAMPLE = path.join(__dirname, '../../../examples/models/llama-2m');
const PASSAGE =
  'The old man walked slowly down to the river with a small basket in his hand. It had rained all night, and ' +
  'the road was soft under his feet. He sat on a stone and waited until the sun came up over the hills. Then he ' +
  'opened the basket, took out a piece of bread, and began to eat. A little boy came along the path and asked ' +
  'him what he was doing there so early in the morning.';
const SEQLEN = 32;
/** Computed with the f64 reference of @esparse/laws (its src/models/reference-llama.ts). */
const GOLDEN = 17.454146615;

interface Example {
  readonly description: ModelDescription;
  readonly weights: WeightSource;
  readonly tokens: Uint32Array;
}

async function example(checkpoint: Checkpoint): Promise<Example> {
  const tokenizer = await openTokenizer(EXAMPLE);
  const tokens = await tokenizer.encode(PASSAGE, { bos: false });
  tokenizer.close();
  return { description: describeModel(checkpoint.config), weights: checkpointWeights(checkpoint), tokens };
}

let checkpoint: Checkpoint;
let model: Example;
beforeAll(async () => {
  checkpoint = await openCheckpoint(EXAMPLE);
  model = await example(checkpoint);
});
afterAll(() => checkpoint.close());

/** The definition, window by window, through the whole model. */
async function byDefinition({ description, weights, tokens }: Example): Promise<number> {
  const runner = await createBlockRunner(description, { seqlen: SEQLEN });
  const head = await createHead(description, weights, { seqlen: SEQLEN });
  const nll: number[] = [];
  for (let at = 0; at + SEQLEN <= tokens.length; at += SEQLEN) {
    const window = tokens.slice(at, at + SEQLEN);
    let hidden = await embedTokens(description, weights, window, window.length);
    for (let block = 0; block < description.blocks; block++) {
      hidden = await (await runner.load(block, weights)).advance(hidden);
    }
    nll.push(...(await head.nll(hidden, window)));
  }
  await Promise.all([runner.release(), head.release()]);
  return Math.exp(nll.reduce((sum, value) => sum + value, 0) / nll.length);
}

test('perplexity is exp of the mean over whole windows, their first tokens not predicted, the tail dropped', async () => {
  const result = await perplexity({ ...model, seqlen: SEQLEN });
  const windows = Math.floor(model.tokens.length / SEQLEN);
  expect(windows).toBeGreaterThan(2);
  expect(result).toMatchObject({ windows, tokens: windows * (SEQLEN - 1) });
  expect(result.perplexity).toBeCloseTo(await byDefinition(model), 6);
  const tail = model.tokens.length % SEQLEN;
  const whole = model.tokens.slice(0, model.tokens.length - tail);
  expect(tail).toBeGreaterThan(0);
  expect((await perplexity({ ...model, tokens: whole, seqlen: SEQLEN })).perplexity).toBe(result.perplexity);
  const first = await perplexity({ ...model, seqlen: SEQLEN, windows: 2 });
  expect(first.perToken).toEqual(result.perToken.slice(0, 2));
});

test('the example model finds English likely: the figure that an f64 implementation gives', async () => {
  const { perplexity: value } = await perplexity({ ...model, seqlen: SEQLEN });
  expect(value).toBeCloseTo(GOLDEN, 3);
});

test('progress rises to one, by every window and block, and counts the windows that are scored', async () => {
  const seen: PerplexityProgress[] = [];
  const { windows } = await perplexity({
    ...model,
    seqlen: SEQLEN,
    onProgress: (progress) => seen.push(progress),
  });
  expect(seen).toHaveLength(windows * (model.description.blocks + 1));
  seen.slice(1).forEach(({ done }, i) => {
    expect(done).toBeGreaterThan(seen[i]!.done);
  });
  expect(seen.at(-1)).toEqual({ done: 1, windows, totalWindows: windows });
});

test('each block is read once a chunk of windows, and never two at a time', async () => {
  const reads: string[] = [];
  const read = model.weights.read.bind(model.weights);
  const weights = {
    ...model.weights,
    read: (name: string, signal?: AbortSignal) => {
      reads.push(name);
      return read(name, signal);
    },
  };
  await perplexity({ ...model, weights, seqlen: SEQLEN });
  expect(new Set(reads).size).toBe(reads.length);
  const blocks = reads.flatMap((name) => /layers\.(\d+)\./.exec(name)?.[1] ?? []);
  expect(blocks).toEqual([...blocks].sort());
});

test('the hidden states of a chunk stay under 256 MiB', () => {
  expect(windowsAtOnce({ hidden: 4096 }, 2048)).toBe(8);
  expect(windowsAtOnce({ hidden: 1 << 17 }, 1 << 17)).toBe(1);
});

test('a text shorter than a window is refused, saying what was found and needed', async () => {
  const short = perplexity({ ...model, tokens: model.tokens.slice(0, 5), seqlen: SEQLEN });
  await expect(short).rejects.toMatchObject({ kind: 'text', message: expect.stringMatching(/5 tokens.*32/) });
  await expect(perplexity({ ...model, seqlen: 2000 })).rejects.toMatchObject({ kind: 'text' });
  await expect(perplexity({ ...model, seqlen: 1 })).rejects.toMatchObject({ kind: 'usage' });
});

test('weights that are not numbers are an error that names the window, not a figure', async () => {
  const broken: WeightSource = {
    ...model.weights,
    read: async (name, signal) => {
      const data = await model.weights.read(name, signal);
      return name.includes('layers.1.mlp.up_proj') ? data.fill(Number.NaN) : data;
    },
  };
  const result = perplexity({ ...model, weights: broken, seqlen: SEQLEN });
  await expect(result).rejects.toMatchObject({
    kind: 'numeric',
    message: expect.stringContaining('window 0'),
  });
});

test('it stops between two windows where its signal says so', async () => {
  const controller = new AbortController();
  let steps = 0;
  const onProgress = () => {
    steps++;
    controller.abort();
  };
  const result = perplexity({ ...model, seqlen: SEQLEN, signal: controller.signal, onProgress });
  await expect(result).rejects.toMatchObject({ name: 'AbortError' });
  expect(steps).toBe(1);
});
