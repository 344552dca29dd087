const MIB = 1024 * 1024;

/** Data of one tile at most: messages of 1 to 4 MiB are the fastest that grpc-js carries, 16 MiB run at half the speed. */
export const MAX_TILE_BYTES = 4 * MIB;

/** Room for everything in a message but its tensor data: names, shapes, error details. */
export const MESSAGE_OVERHEAD_BYTES = 64 * 1024;

/** What a pruner accepts from a worker in one message. */
export const MAX_REPLY_BYTES = MAX_TILE_BYTES + MESSAGE_OVERHEAD_BYTES;

/** What a worker accepts in one message: the largest is a shard's tokens, at most 5 bytes each on the wire. */
export const MAX_REQUEST_BYTES = 8 * MIB;

/** Tokens of one shard at most, so that `OpenShard` fits into a message. */
export const MAX_SHARD_TOKENS = 1_500_000;

/** HTTP/2 window of a connection: grpc-js's default holds a stream at 290 MB/s, 8 MiB lets it reach over 1 GB/s. */
export const FLOW_CONTROL_WINDOW_BYTES = 8 * MIB;

/** Longest path, name or fingerprint in a request. */
export const MAX_NAME_LENGTH = 4096;
