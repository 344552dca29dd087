import type { Shard } from './shards.ts';

/** Batches of a block at most, however many workers there are: each costs a sketch on the wire. */
export const MAX_BATCHES = 64;

/**
 * Cuts the shards into consecutive batches, one for each worker, as even as shards allow: what crosses the wire grows
 * with the workers, not with the tokens.
 */
export function batchesOf(shards: readonly Shard[], workers: number): (readonly Shard[])[] {
  const count = Math.min(shards.length, MAX_BATCHES, Math.max(1, workers));
  return Array.from({ length: count }, (_, i) =>
    shards.slice(Math.round((i * shards.length) / count), Math.round(((i + 1) * shards.length) / count)),
  );
}
