import { EsparseError } from '@esparse/errors';
import { widen } from '@esparse/kernels';
import { joinKey, type ObjectStore } from '@esparse/storage';
import { arrayDocumentSchema } from './array-document.ts';
import { dtypeOf } from './array-types.ts';
import { encodeArray } from './encode-array.ts';
import { checkDocument, parseJson, readSmall } from './json-document.ts';
import { blockOfName, checkBlock, HIDDEN, HIDDEN_DENSE, ZARR_JSON } from './layout.ts';
import { FORMAT } from './limits.ts';
import { readArray } from './read-array.ts';
import { checkSeal, seal, SEAL_PLACE } from './sealed-document.ts';

/** Activations of one shard at a block's boundary: [sequences, seqlen, hidden], f32. */
export interface HiddenShard {
  readonly data: Float32Array;
  readonly shape: readonly number[];
}

/** The same as they are stored: f32, or bf16 as its bits where workers compute in it. */
export interface StoredHiddenShard {
  readonly data: Float32Array | Uint16Array;
  readonly shape: readonly number[];
}

/**
 * The calibration hidden states between blocks: what block k takes in is under k. Workers write and read them
 * without the writer's lock; a shard is there as a whole or not at all. They are not flushed to the device: what
 * a power loss takes is found missing or damaged, and computed again.
 */
export interface HiddenStates {
  /** Stores a shard; storing the same shard again, from another worker too, is harmless. */
  write(block: number, shard: number, hidden: StoredHiddenShard): Promise<void>;
  /** @throws EsparseError 'store' where the shard is missing or damaged */
  readStored(block: number, shard: number, signal?: AbortSignal): Promise<StoredHiddenShard>;
  /** The same, widened to f32. */
  read(block: number, shard: number, signal?: AbortSignal): Promise<HiddenShard>;
  /** The shards stored of a block, ascending. */
  shards(block: number): Promise<number[]>;
  /** Removes the shards of all blocks before this one. */
  removeBefore(block: number): Promise<void>;
  /** Removes all hidden states of the run. */
  removeAll(): Promise<void>;
}

/** The hidden states of a run. */
export interface RunHiddenStates {
  /** Those of the model as it is pruned so far. */
  readonly hidden: HiddenStates;
  /** Those of the dense model, where a statistic needs them; before block 0 both are the same, and only `hidden` is there. */
  readonly hiddenDense: HiddenStates;
}

/** The hidden states in a run's folder. */
export function hiddenStates(store: ObjectStore, run: string): RunHiddenStates {
  return {
    hidden: statesIn(store, joinKey(run, HIDDEN), 'the hidden states'),
    hiddenDense: statesIn(store, joinKey(run, HIDDEN_DENSE), "the dense model's hidden states"),
  };
}

function statesIn(store: ObjectStore, root: string, name: string): HiddenStates {
  const labelOf = (block: number, shard: number) => `${name} of block ${block}, shard ${shard}`;
  const blockAt = (block: number): string => joinKey(root, checkBlock(block));
  const shardAt = (block: number, shard: number): string => {
    if (Number.isSafeInteger(shard) && shard >= 0) return joinKey(blockAt(block), shard);
    throw new EsparseError('usage', `${shard} is no shard number`);
  };
  const readStored: HiddenStates['readStored'] = async (block, shard, signal) => {
    const folder = shardAt(block, shard);
    const what = `${store.describe()}: ${labelOf(block, shard)}`;
    const key = joinKey(folder, ZARR_JSON);
    const bytes = await readSmall(store, key);
    if (bytes === undefined) {
      throw new EsparseError('store', `${what} is missing`, {
        hint: 'it was not computed yet, or was removed because its block is committed',
      });
    }
    checkSeal(store, key, bytes);
    const document = checkDocument(store, key, arrayDocumentSchema, parseJson(store, key, bytes));
    const { data_type: dtype } = document;
    if (dtype !== 'float32' && dtype !== 'uint16') {
      throw new EsparseError('store', `${what} is of ${dtype}, not float32 or bf16`);
    }
    const { data, shape } = await readArray({
      store,
      folder,
      document: { ...document, data_type: dtype },
      what,
      signal,
    });
    return { data, shape };
  };
  return {
    readStored,
    async read(...which) {
      const { data, shape } = await readStored(...which);
      return {
        data: dtypeOf(data) === 'float32' ? (data as Float32Array) : await widen('bf16', data as Uint16Array),
        shape,
      };
    },
    async write(block, shard, hidden) {
      const folder = shardAt(block, shard);
      const what = labelOf(block, shard);
      const dtype = dtypeOf(hidden.data) === 'uint16' ? { dtype: 'bf16' } : {};
      const attributes = { esparse: { format: FORMAT, seal: SEAL_PLACE, ...dtype } };
      const { document, chunk } = await encodeArray({ ...hidden, attributes }, what);
      const metadata = Buffer.from(seal(document, what));
      const key = joinKey(folder, ZARR_JSON);
      const found = await readSmall(store, key);
      const same = found !== undefined && metadata.equals(found);
      // Another shape: without its metadata the old shard is absent, never half old and half new.
      if (found !== undefined && !same) await store.delete(key);
      if (chunk !== undefined) await store.put(joinKey(folder, chunk.key), chunk.parts);
      if (!same) await store.put(key, [metadata]);
    },
    async shards(block) {
      const folder = blockAt(block);
      const names = (await store.children(folder)).filter((name) => /^(0|[1-9]\d{0,14})$/.test(name));
      const stored: number[] = [];
      for (const name of names) {
        if ((await store.size(joinKey(folder, name, ZARR_JSON))) !== undefined) stored.push(Number(name));
      }
      return stored.sort((a, b) => a - b);
    },
    async removeBefore(block) {
      const earlier = new Set<number>();
      // Not by `children`: there are S3-compatible servers that leave out folders which hold nothing but folders.
      for await (const key of store.list(root)) {
        const found = blockOfName(key.slice(root.length + 1).split('/')[0]!);
        if (found !== undefined && found < block) earlier.add(found);
      }
      for (const each of earlier) await store.deletePrefix(blockAt(each));
    },
    removeAll: async () => store.deletePrefix(root),
  };
}
