import { describeModel, linearsOf, tapsOf, type ModelDescription } from '@esparse/model';
import {
  CALIBRATION_PATH,
  statisticPath,
  tapFigurePath,
  writeLinear,
  writeTokenizerFiles,
} from '@esparse/model-store';
import { identityOrder, maskLinear, packLinear } from '@esparse/sparsity';
import { MemoryObjectStore } from '@esparse/storage';
import { createOrOpenStore, openStore, type RunWriter } from '@esparse/store';
import { gatherReport, ReportMemory } from './index.ts';

const CONFIG = {
  model_type: 'llama',
  hidden_size: 64,
  intermediate_size: 96,
  num_hidden_layers: 2,
  num_attention_heads: 2,
  num_key_value_heads: 2,
  vocab_size: 128,
  max_position_embeddings: 128,
  rms_norm_eps: 1e-5,
  tie_word_embeddings: true,
};
const PATTERN = { keep: 2, group: 4 };
const HOSTILE = '<img src=x onerror=alert(1)>';

/** A run of two blocks of which so many are committed. */
async function runOf(blocks: number): Promise<MemoryObjectStore> {
  const objects = new MemoryObjectStore();
  const description = describeModel(CONFIG);
  const writer = await (
    await createOrOpenStore(objects)
  ).beginRun('abc', {
    config: CONFIG,
    family: 'llama',
    blocks: 2,
    model: 'm',
    tokens: 't',
    numerics: HOSTILE,
    options: {
      pipeline: { name: 'e-sparse', version: 1, options: { alpha: 1, note: HOSTILE } },
      pattern: PATTERN,
      calibration: { samples: 1, seqlen: 2, seed: 0, bos: false },
      skipIndivisible: false,
    },
  });
  for (let block = 0; block < blocks; block++) await writeBlock(writer, description, block);
  await writer.close();
  return objects;
}

async function writeBlock(writer: RunWriter, description: ModelDescription, block: number): Promise<void> {
  const transaction = writer.beginBlock(block);
  for (const { name, rows, cols } of linearsOf(description, block)) {
    const scores = Float32Array.from({ length: rows * cols }, (_, i) => (i * 37) % 101);
    const order = identityOrder(cols);
    const mask = await maskLinear({ scores, rows, cols }, order, PATTERN);
    const weights = new Uint16Array(rows * cols).fill(0x3f80);
    const packed = await packLinear({ dtype: 'bf16', rows, cols, weights }, order, mask, PATTERN);
    await writeLinear(transaction, name, packed, { keptScore: { before: 4, after: 5 } });
  }
  for (const { name, channels } of tapsOf(description, block)) {
    const data = Float32Array.from({ length: channels }, (_, c) => c);
    await transaction.putArray(statisticPath(name, 'entropy'), { data, shape: [channels] });
  }
  await transaction.commit({ block });
}

const gather = async (objects: MemoryObjectStore) =>
  gatherReport(await (await openStore(objects)).openRun('abc'), { version: '0', store: HOSTILE });

test('of a run without a block, the report says that there is nothing to show yet', async () => {
  const { data, damage } = await gather(await runOf(0));
  expect(data.summary).toEqual(['No block of this run is committed yet: there is nothing to show.']);
  expect(data.blocks.map(({ state }) => state)).toEqual(['not committed', 'not committed']);
  expect(damage).toEqual([]);
});

test('of a run with one block of two, it shows that one, and says how the run goes on', async () => {
  const { data } = await gather(await runOf(1));
  expect(data.blocks.map(({ state }) => state)).toEqual(['committed', 'not committed']);
  expect(data.blocks[0]!.linears.map(({ name, keptScore }) => [name, keptScore])).toContainEqual([
    'q_proj',
    { before: 4, after: 5 },
  ]);
  expect(data.missing).toContainEqual({
    what: expect.stringContaining('1 of 2 blocks are not committed'),
    how: expect.stringContaining('esparse prune'),
  });
});

test('what an older version did not keep is missing, with the option that keeps it', async () => {
  const { missing } = (await gather(await runOf(2))).data;
  const how = (what: string) => missing.find((one) => one.what.includes(what))?.how;
  expect(how('the share of the score that is lost')).toContain('--figures');
  expect(how('how much the output of each linear changes')).toContain('outputError');
  expect(how('amplitude')).toContain('--pipeline');
  expect(how('perplexity')).toContain('--text');
  expect(how('times, memory')).toContain('--events');
});

test.each([
  ['an array', 'runs/abc/blocks/0/q_proj/indices/c/0/0/0', 'committed'],
  ['a block', 'runs/abc/blocks/0/zarr.json', 'damaged'],
])('%s that is damaged is left out and named; the rest is shown', async (_, key, state) => {
  const objects = await runOf(2);
  const bytes = objects.objects.get(key)!.slice();
  bytes[bytes.length >> 1]! ^= 1;
  objects.objects.set(key, bytes);
  const { data, damage } = await gather(objects);
  expect(damage).toEqual([expect.stringMatching(/abc.*block 0|blocks\/0/)]);
  expect(data.missing[0]).toMatchObject({ what: damage[0], how: expect.stringContaining('esparse verify') });
  expect(data.blocks.map((block) => block.state)).toEqual([state, 'committed']);
  const [first, second] = data.blocks.map(({ linears }) => linears.find(({ name }) => name === 'q_proj'));
  expect(first?.keptShare).toBeUndefined();
  expect(second?.keptShare).toBeDefined();
});

test('texts of a store come into the page as they are, to be shown as text', async () => {
  const { facts } = (await gather(await runOf(1))).data;
  expect(facts).toContainEqual({ group: 'Run', name: 'Store', value: HOSTILE });
  expect(facts).toContainEqual({ group: 'Run', name: 'Numerics', value: HOSTILE });
});

test('of a run that goes on, only new blocks are read, and the page is that of a report made at once', async () => {
  const memory = new ReportMemory();
  const options = { version: '0', store: 'x', memory };
  const open = async (objects: MemoryObjectStore) => (await openStore(objects)).openRun('abc');
  await gatherReport(await open(await runOf(1)), options);
  const whole = await runOf(2);
  const fresh = await gatherReport(await open(whole), { version: '0', store: 'x' });
  // What was read before is not read again: it is not even there.
  for (const key of whole.objects.keys())
    if (key.startsWith('runs/abc/blocks/0/') && key.includes('/c/')) whole.objects.delete(key);
  const grown = await gatherReport(await open(whole), options);
  expect(grown.data).toEqual(fresh.data);
  expect(Buffer.from(grown.attachment).equals(fresh.attachment)).toBe(true);
});

/** A tokenizer of three tokens, of which one would be markup. */
const VOCABULARY = { ' a': 0, [HOSTILE]: 1, ' b': 2 };
const TOKENIZER = {
  model: { type: 'BPE', vocab: VOCABULARY, merges: [] },
  decoder: { type: 'Metaspace', replacement: '▁', prepend_scheme: 'never' },
};

/** A run whose first tap has a histogram and top tokens; the calibration is two sequences of three tokens. */
async function runWithFigures(withCalibration: boolean): Promise<MemoryObjectStore> {
  const objects = await runOf(0);
  const description = describeModel(CONFIG);
  const writer = await (
    await openStore(objects)
  ).beginRun('abc', (await (await openStore(objects)).openRun('abc')).attributes);
  await writeTokenizerFiles(writer, [
    { name: 'tokenizer.json', bytes: Buffer.from(JSON.stringify(TOKENIZER)) },
  ]);
  const dense = writer.beginDense();
  if (withCalibration)
    await dense.putArray(CALIBRATION_PATH, { data: Int32Array.of(0, 1, 2, 2, 1, 0), shape: [2, 3] });
  await dense.commit({});
  const transaction = writer.beginBlock(0);
  for (const { name, channels } of tapsOf(description, 0)) {
    const put = (
      figure: Parameters<typeof tapFigurePath>[1],
      data: Int32Array | Float32Array | Uint16Array,
      shape: number[],
    ) => transaction.putArray(tapFigurePath(name, figure), { data, shape });
    await put('histogram', new Uint16Array(channels * 4).fill(1), [channels, 4]);
    await put(
      'range',
      Float32Array.from({ length: 2 * channels }, (_, i) => i),
      [2, channels],
    );
    // Token 4, then none.
    await put(
      'top_tokens',
      Int32Array.from({ length: 2 * channels }, (_, i) => (i % 2 === 0 ? 4 : -1)),
      [channels, 2],
    );
    await put('top_values', new Float32Array(2 * channels).fill(1.5), [channels, 2]);
  }
  for (const { name, rows, cols } of linearsOf(description, 0)) {
    const scores = new Float32Array(rows * cols).fill(1);
    const order = identityOrder(cols);
    const mask = await maskLinear({ scores, rows, cols }, order, PATTERN);
    const weights = new Uint16Array(rows * cols).fill(0x3f80);
    const packed = await packLinear({ dtype: 'bf16', rows, cols, weights }, order, mask, PATTERN);
    await writeLinear(transaction, name, packed, { keptScore: { before: 4, after: 5 } });
  }
  await transaction.commit({ block: 0, inputError: 0.25 });
  await writer.close();
  return objects;
}

test('channels have their histograms, and their tokens with what stands around them in the sequence, as text', async () => {
  const { data, attachment } = await gather(await runWithFigures(true));
  const shown = data.blocks[0]!.taps[0]!.shown!;
  expect(shown.channels.length).toBe(64);
  expect(shown.histogram!.bins).toBe(4);
  // The least that is not zero can be seen.
  expect(attachment[shown.histogram!.shares.at]).toBe(1);
  expect(data.excerpts).toEqual([[' b', HOSTILE, ' a']]);
  const { at, length } = shown.top!.excerpts;
  const numbers = new Int32Array(attachment.buffer, attachment.byteOffset + at, length);
  expect([...numbers.subarray(0, 4)]).toEqual([0, -1, 0, -1]);
  expect(data.blocks[0]!.inputError).toBe(0.25);
});

test('tokens of a run without its calibration are no tokens', async () => {
  const { data, damage } = await gather(await runWithFigures(false));
  expect(data.excerpts).toBeUndefined();
  expect(damage).toEqual([]);
});
