import { Readable } from 'node:stream';
import fc from 'fast-check';
import type { ActivationTile__Output } from './index.ts';
import { MAX_TILE_BYTES, tileMessages, type Tile, type TileExpectation } from './index.ts';
import { readTile } from './tiles.ts';
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

const readAll = async (messages: Iterable<ActivationTile__Output>, expected: TileExpectation) => {
  const tiles: Tile[] = [];
  for await (const found of readTiles(Readable.from(messages), expected, 'w')) tiles.push(found);
  return tiles;
};

test('a tile is cut into whole rows and comes back as it was, however its bytes are aligned', () => {
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
  const read = (messages: ActivationTile__Output[]) => readAll(messages, expected);
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

/** Two sequences of two taps, three rows each. */
const shard: TileExpectation = {
  ...{ block: 1, shard: 2, seqlen: 3, sequences: 2 },
  taps: new Map([
    ['a', 4],
    ['b', 4],
  ]),
};

/** Tiles as a worker would send them: of [tap, sequence, first row, rows]. */
function* sent(pieces: Iterable<Piece>, dense = false): Generator<ActivationTile__Output> {
  let number = 0;
  for (const [tap, sequence, firstRow, rows] of pieces) {
    const tile = { ...tileOf(rows, 4), tap, sequence, firstRow };
    for (const message of tileMessages(dense ? { ...tile, dense: tile.data } : tile, number)) {
      number++;
      yield message as ActivationTile__Output;
    }
  }
}
type Piece = readonly [tap: string, sequence: number, firstRow: number, rows: number];

const WHOLE: readonly Piece[] = [
  ['a', 0, 0, 3],
  ['b', 0, 0, 2],
  ['b', 0, 2, 1],
  ['a', 1, 0, 3],
  ['b', 1, 0, 3],
];

test.each([false, true])(
  'a shard’s sequences may come in any order, each row by row (dense: %s)',
  async (dense) => {
    const [a0, b0, b0End, a1, b1] = WHOLE as [Piece, Piece, Piece, Piece, Piece];
    for (const pieces of [WHOLE, [b0, a1, a0, b0End, b1]]) {
      expect(await readAll(sent(pieces, dense), { ...shard, dense })).toHaveLength(5);
    }
  },
);

test.each<[string, Piece, number]>([
  ['a sequence comes twice', ['a', 0, 0, 3], 3],
  ['a row comes twice', ['b', 0, 1, 2], 2],
  ['a row is left out', ['a', 1, 1, 2], 3],
  ['there is one more after the last', ['b', 1, 0, 3], 5],
  ['a sequence is unknown', ['a', 2, 0, 3], 3],
  ['a tap is unknown', ['c', 1, 0, 3], 3],
])('where %s, the stream is refused at once, whatever would follow', async (_, wrong, at) => {
  for (const dense of [false, true]) {
    const messages = sent([...WHOLE.slice(0, at), wrong, ...WHOLE, ...WHOLE], dense);
    const taken: Tile[] = [];
    const reading = async () => {
      for await (const tile of readTiles(Readable.from(messages), { ...shard, dense }, 'w')) taken.push(tile);
    };
    await expect(reading()).rejects.toMatchObject({ kind: 'protocol', context: { block: 1, shard: 2 } });
    expect(taken).toHaveLength(at);
  }
});

test('a stream that ends too soon is refused, though no row was wrong', async () => {
  await expect(readAll(sent(WHOLE.slice(0, -1)), shard)).rejects.toThrow('9 of 12 rows of block 1');
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

describe('an expert’s tap', () => {
  const expected: TileExpectation = { ...shard, routed: new Set(['b']) };
  /** Tiles of `a` whole, and of `b` as routed: [sequence, first row, rows, rows in the sequence]. */
  function* routed(...pieces: readonly (readonly number[])[]): Generator<ActivationTile__Output> {
    let number = 0;
    const tiles = [
      ...[0, 1].map((sequence) => ({ ...tileOf(3, 4), tap: 'a', sequence })),
      ...pieces.map(([sequence, firstRow, rows, sequenceRows]) => ({
        ...{ ...tileOf(rows!, 4), tap: 'b' },
        ...{ sequence: sequence!, firstRow: firstRow!, sequenceRows },
      })),
    ];
    for (const tile of tiles) {
      for (const message of tileMessages(tile, number)) {
        number++;
        yield message as ActivationTile__Output;
      }
    }
  }

  test('has the rows that it says, maybe none, and ends its sequence with the last of them', async () => {
    const tiles = await readAll(routed([1, 0, 1, 2], [1, 1, 1, 2]), expected);
    expect(tiles.slice(2).map(({ endsSequence }) => endsSequence)).toEqual([false, true]);
    expect(await readAll(routed(), expected)).toHaveLength(2);
    expect(await readAll(routed([0, 0, 3, 0]), expected)).toHaveLength(3);
  });

  test.each<[string, number[][], TileExpectation]>([
    ['ends too soon', [[0, 0, 1, 2]], expected],
    ['has more rows than it says', [[0, 0, 2, 1]], expected],
    ['has more rows than the sequence', [[0, 0, 1, 4]], expected],
    [
      'says another number in between',
      [
        [0, 0, 1, 2],
        [0, 1, 2, 3],
      ],
      expected,
    ],
    ['is no expert’s', [[0, 0, 1, 1]], shard],
  ])('is refused where it %s', async (_, pieces, of) => {
    await expect(readAll(routed(...pieces), of)).rejects.toMatchObject({ kind: 'protocol' });
  });
});
