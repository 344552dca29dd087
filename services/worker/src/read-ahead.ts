import type { StoredHiddenShard } from '@esparse/store';

/** Reads a shard of hidden states. */
export type ReadShard = (shard: number, signal?: AbortSignal) => Promise<StoredHiddenShard>;

/**
 * Reads, beside each shard that is asked for, the one that will probably be asked for next, so that it is there when the
 * device is free: as far from this one as this one is from the one before, as workers take the shards of a block in turn. One is
 * held at most.
 */
export interface ReadAhead {
  /** @param states names the hidden states: of which run, model and block */
  read(states: string, read: ReadShard, shard: number, signal?: AbortSignal): Promise<StoredHiddenShard>;
}

export function createReadAhead(): ReadAhead {
  let last: { readonly states: string; readonly shard: number } | undefined;
  let next: { readonly states: string; readonly shard: number; read: Promise<StoredHiddenShard> } | undefined;
  return {
    async read(states, read, shard, signal) {
      const guessed = next?.states === states && next.shard === shard ? next.read : undefined;
      next = undefined;
      // What was guessed may have failed, or not been there yet: then it is read now, and says so itself.
      const found = (await guessed?.catch(() => undefined)) ?? (await read(shard, signal));
      const step = last?.states === states && shard > last.shard ? shard - last.shard : 1;
      last = { states, shard };
      const ahead = read(shard + step);
      ahead.catch(() => undefined);
      next = { states, shard: shard + step, read: ahead };
      return found;
    },
  };
}
