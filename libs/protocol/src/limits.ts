const MIB = 1024 * 1024;

/** Data of one tile at most: messages of 1 to 4 MiB are the fastest that grpc-js carries, 16 MiB run at half the speed. */
export const MAX_TILE_BYTES = 4 * MIB;

/** Room for everything in a message but its tensor data: names, shapes, error details. */
export const MESSAGE_OVERHEAD_BYTES = 64 * 1024;

/** What a pruner accepts from a worker in one message. */
export const MAX_REPLY_BYTES = MAX_TILE_BYTES + MESSAGE_OVERHEAD_BYTES;

/** Hidden states of one shard at most, so that a worker never holds more of them; a longer sequence is a shard alone. */
export const MAX_SHARD_BYTES = 16 * MIB;

/**
 * The same where the device runs shards whole: what a call, a launch and a visit of what is gathered cost is shared by more sequences.
 */
export const MAX_DEVICE_SHARD_BYTES = 8 * MAX_SHARD_BYTES;

/** Tokens of one shard at most: those of `MAX_SHARD_BYTES` where a token has 16 channels, fewer than any model's. */
export const MAX_SHARD_TOKENS = MAX_SHARD_BYTES / (16 * 4);

/**
 * Shards that a worker takes at once where its device runs them whole: while one is computed, others are read and written. With four,
 * all were computed, then all written, and the device waited for half of the time.
 */
export const SHARDS_AT_ONCE = 8;

/** What a worker accepts in one message: the largest is a shard's tokens, at most 5 bytes each on the wire. */
export const MAX_REQUEST_BYTES = 5 * MAX_SHARD_TOKENS + MESSAGE_OVERHEAD_BYTES;

/** HTTP/2 window of a connection: grpc-js's default holds a stream at 290 MB/s, 8 MiB lets it reach over 1 GB/s. */
export const FLOW_CONTROL_WINDOW_BYTES = 8 * MIB;

/** Longest path, name or fingerprint in a request. */
export const MAX_NAME_LENGTH = 4096;

/** Shards of one call at most: those of the largest run, and it bounds what a request names. */
export const MAX_SHARDS = 65_536;

/** Taps or statistics that one call names at most: a mixture of 512 experts has 1026 taps. */
export const MAX_NAMES = 8192;

/** Between two pings of a connection with calls on it, and how long the answer may take: a host that vanished shows. */
export const KEEPALIVE_MS = 10_000;
export const KEEPALIVE_TIMEOUT_MS = 10_000;

/**
 * How long a client may read nothing of what is sent to it, as over HTTP: a pruner reads again within seconds, also while it
 * multiplies matrices, and one that never does holds the worker from others.
 */
export const UNREAD_TIMEOUT_MS = 30_000;

/** How long a worker may take to answer who it is. */
export const DESCRIBE_DEADLINE_MS = 10_000;

/** How long a model may take to open: every tensor's header is read, samples of each are hashed. */
export const OPEN_DEADLINE_MS = 10 * 60_000;

/**
 * How long a block may take over one shard, at most 16 MiB of hidden states on a processor: minutes on one slow core at the largest
 * widths. What is merely slow is issued elsewhere long before; this ends calls that would hang for ever.
 */
export const SHARD_DEADLINE_MS = 30 * 60_000;

/**
 * How long a worker that tunes a block may send nothing: it tells of every step, and of every sequence that takes long. One that hangs
 * is given up, and the block is tuned elsewhere.
 */
export const TUNE_SILENCE_MS = SHARD_DEADLINE_MS / 2;

/**
 * The longest deadline of a call, 24 days. What takes 24.9 days or more, 2^31 ms, ends at once: grpc-js counts a call's
 * milliseconds in 32 bits.
 */
export const MAX_DEADLINE_MS = 24 * 24 * 60 * 60_000;
