import type { Run } from '../run.ts';
import type { Store } from '../store.ts';
import type { Transaction } from '../transaction.ts';

/** What the sample run is begun with. */
export const SAMPLE_ATTRIBUTES = { pattern: { keep: 2, group: 4 }, model: { type: 'llama', layers: 2 } };
/** Its folder 'tokenizer'. */
export const SAMPLE_OBJECTS: ReadonlyMap<string, Uint8Array> = new Map([
  ['tokenizer.json', Buffer.from('{"model":{}}')],
  ['extra/chat_template.jinja', Buffer.from('{{ bos }}')],
]);
export const SAMPLE_FINGERPRINT = 'a1b2c3';
export const SAMPLE_BLOCKS = 2;

/** Puts a small block with every dtype, an array without elements and groups with and without attributes. */
export async function putSampleBlock(transaction: Transaction, k: number): Promise<void> {
  await transaction.putGroup('q_proj', { encoding: 'index-v1', rows: 2 });
  await transaction.putArray('q_proj/values', {
    data: Uint16Array.from([1, 2, 3, 65535, k, 6]),
    shape: [1, 3, 2],
    attributes: { dtype: 'bf16' },
  });
  await transaction.putArray('q_proj/indices', { data: Uint8Array.from([228, k]), shape: [1, 1, 2] });
  await transaction.putArray('q_proj/permutation', { data: Int32Array.from([3, -1, 2, k]), shape: [4] });
  await transaction.putArray('attn_in/entropy', { data: Float32Array.from([0.5, -0, 1e-40]), shape: [3] });
  await transaction.putArray('attn_in/none', { data: new Float32Array(0), shape: [0, 3] });
  await transaction.putArray('input_layernorm', { data: Uint16Array.from([k]), shape: [] });
}

/** Writes the whole sample run, or what is missing of it. */
export async function writeSampleRun(store: Store, fingerprint = SAMPLE_FINGERPRINT): Promise<Run> {
  const writer = await store.beginRun(fingerprint, SAMPLE_ATTRIBUTES);
  try {
    await writer.putObjects('tokenizer', SAMPLE_OBJECTS);
    if (!(await writer.run.isDenseCommitted())) {
      const dense = writer.beginDense();
      await dense.putArray('embedding', { data: Uint16Array.from([1, 2, 3, 4]), shape: [2, 2] });
      await dense.commit({ tied: true });
    }
    for (let k = 0; k < SAMPLE_BLOCKS; k++) {
      if (await writer.run.isCommitted(k)) continue;
      const block = writer.beginBlock(k);
      await putSampleBlock(block, k);
      await block.commit({ linears: { q_proj: { kept: 0.5 } } });
    }
    await writer.finish({ blocks: SAMPLE_BLOCKS, kept: 0.5 });
    return writer.run;
  } finally {
    await writer.close();
  }
}
