import type { ActivationTile } from './generated/esparse/v1/ActivationTile.ts';
import { MAX_REPLY_BYTES } from './limits.ts';

/** Bytes that gRPC puts before a message, in the same memory. */
const FRAME_PREFIX_BYTES = 5;
/** Field numbers 10 and 11 with wire type 2, as in `worker.proto`. */
const DATA_TAG = (10 << 3) | 2;
const PADDING_TAG = (11 << 3) | 2;
/** A varint of 32 bits. */
const MAX_VARINT_BYTES = 5;

/** Where every tile of this process is encoded: grpc-js copies a message into its frame before it asks for the next. */
let scratch: Buffer | undefined;

/**
 * Encodes tiles as protobuf, the data last and 4-aligned behind gRPC's prefix. The result is valid until the next call.
 *
 * The general encoder takes new memory for every message: at megabytes each, V8 collects its whole heap for it some
 * fifteen times a second.
 *
 * @param encodeHead - The general encoder, for everything but the data.
 */
export function tileEncoder(encodeHead: (tile: ActivationTile) => Buffer): (tile: ActivationTile) => Buffer {
  return ({ data, ...head }) => {
    const bytes = data as Buffer;
    const fields = encodeHead(head);
    const atMost = fields.length + 2 + 3 + 1 + MAX_VARINT_BYTES + bytes.length;
    scratch ??= Buffer.alloc(MAX_REPLY_BYTES);
    const out = atMost <= scratch.length ? scratch : Buffer.alloc(atMost);
    let end = fields.copy(out);
    const dataHead = 1 + varintBytes(bytes.length);
    const padding = -(FRAME_PREFIX_BYTES + end + 2 + dataHead) & 3;
    out[end++] = PADDING_TAG;
    out[end++] = padding;
    out.fill(0, end, end + padding);
    end += padding;
    out[end++] = DATA_TAG;
    end = writeVarint(out, end, bytes.length);
    end += bytes.copy(out, end);
    return out.subarray(0, end);
  };
}

function varintBytes(value: number): number {
  return value === 0 ? 1 : Math.ceil((32 - Math.clz32(value)) / 7);
}

function writeVarint(out: Buffer, at: number, value: number): number {
  let rest = value;
  while (rest >= 0x80) {
    out[at++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  out[at++] = rest;
  return at;
}
