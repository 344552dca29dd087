import { Readable } from 'node:stream';
import fc from 'fast-check';
import type { ActivationTile__Output } from './index.ts';
import { MAX_TILE_BYTES, readTile, tileMessages, type Tile } from './index.ts';
import { readTiles } from './read-tiles.ts';

const tileOf = (rows: number, channels: number): Tile => ({
  block: 1,
  tap: 'attn_in',
  shard: 2,
  sequence: 0,
  firstRow: 0,
  rows,
  channels,
  data: Float32Array.from({ length: rows * channels }, (_, i) => i),
  endsSequence: true,
});

const expectedOf = (rows: number, channels: number) => ({
  block: 1,
  shard: 2,
  seqlen: rows,
  sequences: 1,
  taps: new Map([['attn_in', channels]]),
});

const messagesOf = (tile: Tile) => [...tileMessages(tile, 0)] as ActivationTile__Output[];

test('a tile is cut into whole rows and comes back as it was, wherever its bytes lie', () => {
  const shapes = fc.tuple(
    fc.integer({ min: 1, max: 300 }),
    fc.integer({ min: 1, max: 1500 }),
    fc.integer({ min: 0, max: 3 }),
  );
  fc.assert(
    fc.property(shapes, ([rows, channels, offset]) => {
      const tile = tileOf(rows, channels);
      let row = 0;
      messagesOf(tile).forEach((message, number) => {
        const bytes = Buffer.alloc(message.data.length + offset);
        bytes.set(message.data, offset);
        const read = readTile(
          { ...message, data: bytes.subarray(offset) },
          number,
          expectedOf(rows, channels),
        );
        expect(read.firstRow).toBe(row);
        const due = tile.data.subarray(row * channels, (row + read.rows) * channels);
        expect(
          Buffer.compare(
            Buffer.from(read.data.buffer, read.data.byteOffset, read.data.byteLength),
            Buffer.from(due.buffer, due.byteOffset, due.byteLength),
          ),
        ).toBe(0);
        row += read.rows;
        expect(read.endsSequence).toBe(row === rows);
      });
      expect(row).toBe(rows);
    }),
    { numRuns: 30, seed: 1 },
  );
});

test('the dense model’s rows follow each message of a tile, and come back beside it', async () => {
  const tile = { ...tileOf(300, 9000), dense: tileOf(300, 9000).data.map((value) => -value) };
  const expected = { ...expectedOf(300, 9000), dense: true };
  const read = async (messages: ActivationTile__Output[]) => {
    const tiles: Tile[] = [];
    for await (const found of readTiles(Readable.from(messages), expected, 'w')) tiles.push(found);
    return tiles;
  };
  const tiles = await read(messagesOf(tile));
  expect(tiles.length).toBeGreaterThan(1);
  for (const key of ['data', 'dense'] as const) {
    const rows = Buffer.concat(tiles.map((found) => new Uint8Array(found[key]!.slice().buffer)));
    expect(Buffer.compare(rows, new Uint8Array(tile[key].buffer))).toBe(0);
  }
  const refused = { kind: 'protocol' };
  await expect(read(messagesOf(tile).slice(0, -1))).rejects.toMatchObject(refused);
  await expect(read(messagesOf(tileOf(300, 9000)))).rejects.toMatchObject(refused);
  const crossed = messagesOf(tile).map((message, i) => (i === 1 ? { ...message, firstRow: 1 } : message));
  await expect(read(crossed)).rejects.toMatchObject(refused);
});

test('messages are between 1 and 4 MiB where the tile is large enough', () => {
  for (const channels of [512, 1408, 5120, 28672]) {
    const sizes = messagesOf(tileOf(2048, channels)).map(({ data }) => data.length);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(MAX_TILE_BYTES);
    expect(Math.min(...sizes.slice(0, -1))).toBeGreaterThanOrEqual(MAX_TILE_BYTES / 4);
  }
});

test.each([
  ['lost: a number is skipped', { sequenceNumber: 1 }],
  ['of another block', { block: 0 }],
  ['of another shard', { shard: 3 }],
  ['of a tap that was not asked for', { tap: 'mlp_in' }],
  ['of another width', { channels: 5 }],
  ['of the dense model, which nobody asked for', { dense: true }],
  ['of an unknown dtype', { dtype: 'DTYPE_UNSPECIFIED' as const }],
  ['of a sequence outside the shard', { sequence: 1 }],
  ['of rows outside the sequence', { firstRow: 1 }],
  ['empty', { rows: 0 }],
  ['short of bytes', { data: Buffer.alloc(12) }],
])('a tile that is %s is a protocol error', (_, change) => {
  const [message] = messagesOf(tileOf(2, 4));
  expect(() => readTile({ ...message!, ...change }, 0, expectedOf(2, 4))).toThrow(
    expect.objectContaining({ kind: 'protocol' }),
  );
});
