import fc from 'fast-check';
import type { ActivationTile, ActivationTile__Output } from './index.ts';
import { workerServiceDefinition } from './index.ts';

const { responseSerialize, responseDeserialize } = workerServiceDefinition.StreamActivations;
const encode = responseSerialize as (tile: ActivationTile) => Buffer;
const decode = responseDeserialize as unknown as (bytes: Buffer) => ActivationTile__Output;

const tiles = fc.record({
  block: fc.nat(),
  tap: fc.string({ maxLength: 40 }),
  shard: fc.nat(),
  sequenceNumber: fc.maxSafeNat(),
  sequence: fc.nat(),
  firstRow: fc.nat(),
  sequenceRows: fc.nat(),
  rows: fc.nat(),
  channels: fc.nat(),
  dtype: fc.constant('DTYPE_F32' as const),
  dense: fc.boolean(),
});

test('a tile is decoded as it was, and its data lie 4-aligned behind the prefix of a gRPC frame', () => {
  fc.assert(
    fc.property(tiles, fc.integer({ min: 0, max: 70_000 }), (head, length) => {
      const data = Buffer.from(Uint8Array.from({ length }, (_, i) => i * 7));
      const bytes = encode({ ...head, data });
      // As the receiver has it: one piece of memory, five bytes before the message.
      const frame = Buffer.from(new ArrayBuffer(5 + bytes.length));
      bytes.copy(frame, 5);
      const { padding, data: read, ...rest } = decode(frame.subarray(5));
      expect(rest).toEqual(head);
      expect(Buffer.compare(read, data)).toBe(0);
      expect(padding.every((byte) => byte === 0)).toBe(true);
      if (length > 0) expect(read.byteOffset % 4).toBe(0);
    }),
    { seed: 1 },
  );
});
