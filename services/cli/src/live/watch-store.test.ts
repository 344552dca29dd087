import { describeModel, linearsOf } from '@esparse/model';
import { writeLinear } from '@esparse/model-store';
import { identityOrder, maskLinear, packLinear } from '@esparse/sparsity';
import { MemoryObjectStore } from '@esparse/storage';
import { createOrOpenStore, openStore, type RunWriter } from '@esparse/store';
import { LiveRun } from './live-run.ts';
import { chooseRun, storedBeginning, watchBlocks } from './watch-store.ts';

const CONFIG = {
  model_type: 'llama',
  hidden_size: 64,
  intermediate_size: 96,
  num_hidden_layers: 3,
  num_attention_heads: 2,
  num_key_value_heads: 2,
  vocab_size: 128,
  max_position_embeddings: 128,
  rms_norm_eps: 1e-5,
  tie_word_embeddings: true,
};
const PATTERN = { keep: 2, group: 4 };
const part = (name: string) => ({ name, version: 1 });
const ATTRIBUTES = {
  ...{ config: CONFIG, family: 'llama', blocks: 3, model: 'm', tokens: 't', numerics: 'n' },
  options: {
    pipeline: {
      ...{ name: 'e-sparse', version: 1, options: {} },
      parts: { metric: part('e-sparse'), shuffle: part('both'), stages: [part('reconstruct')] },
    },
    ...{
      pattern: PATTERN,
      calibration: { samples: 1, seqlen: 2, seed: 0, bos: false },
      skipIndivisible: false,
    },
  },
};

async function writeBlock(writer: RunWriter, block: number): Promise<void> {
  const transaction = writer.beginBlock(block);
  for (const { name, rows, cols } of linearsOf(describeModel(CONFIG), block)) {
    const scores = new Float32Array(rows * cols).fill(1);
    const mask = await maskLinear({ scores, rows, cols }, identityOrder(cols), PATTERN);
    const weights = new Uint16Array(rows * cols).fill(0x3f80);
    const packed = await packLinear(
      { dtype: 'bf16', rows, cols, weights },
      identityOrder(cols),
      mask,
      PATTERN,
    );
    await writeLinear(transaction, name, packed, { keptScore: { before: 4, after: 5 } });
  }
  await transaction.commit({ block });
}

/** A run with all of its blocks, of which the second is damaged. */
async function damagedStore() {
  const objects = new MemoryObjectStore();
  const writer = await (await createOrOpenStore(objects)).beginRun('abc', ATTRIBUTES);
  for (let block = 0; block < 3; block++) await writeBlock(writer, block);
  await writer.beginDense().commit({});
  await writer.finish({ blocks: 3, name: 'llama-3' });
  await writer.close();
  const key = 'runs/abc/blocks/1/zarr.json';
  const bytes = objects.objects.get(key)!.slice();
  bytes[bytes.length >> 1]! ^= 1;
  objects.objects.set(key, bytes);
  return openStore(objects);
}

test('a run that has ended is shown by its blocks; what is damaged is said, and the rest shown', async () => {
  const store = await damagedStore();
  const run = await chooseRun(store, undefined);
  const live = new LiveRun();
  for (const event of await storedBeginning(store, run)) live.push(event);
  await watchBlocks(live, run, AbortSignal.timeout(60_000));
  const { state, blocks, log, graph, started } = live.state;
  expect(state).toBe('finished');
  expect(started).toMatchObject({ model: 'llama-3', pipeline: 'e-sparse', pattern: '2:4' });
  expect(blocks.map(({ committed, linears }) => [committed !== undefined, linears.length])).toEqual([
    [true, 7],
    [false, 0],
    [true, 7],
  ]);
  expect(blocks[0]!.linears[0]).toMatchObject({ linear: 'q_proj', keptScoreGain: 0.25, rows: 64, cols: 64 });
  expect(log.filter(({ text }) => text.includes('blocks/1'))).toHaveLength(1);
  expect(graph?.nodes.map(({ id }) => id)).toEqual([
    ...[
      'tap',
      'load',
      'metric:e-sparse',
      'shuffle:both',
      'step:mask',
      'stage:reconstruct',
      'pack',
      'commit',
      'advance',
    ],
  ]);
});
