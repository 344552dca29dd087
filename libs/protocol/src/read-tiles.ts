import { EsparseError } from '@esparse/errors';
import type { ActivationTile__Output } from './generated/esparse/v1/ActivationTile.ts';
import { readTile, type Tile, type TileExpectation } from './tiles.ts';

/**
 * The tiles of a stream, each checked, with the dense model's rows beside them where they were asked for. Each sequence of a
 * tap must arrive whole, row by row: a gap, a repeated row and one too many are refused at once.
 *
 * @throws EsparseError `protocol` where the stream is not what was asked for, or ends too soon
 */
export async function* readTiles(
  messages: AsyncIterable<ActivationTile__Output>,
  expected: TileExpectation,
  address: string,
): AsyncGenerator<Tile> {
  /** Rows received of each sequence, by tap. */
  const received = new Map(
    [...expected.taps.keys()].map((tap) => [tap, new Uint32Array(expected.sequences)]),
  );
  const due = expected.sequences * expected.seqlen * expected.taps.size;
  let rows = 0;
  let number = 0;
  let before: Tile | undefined;
  for await (const message of messages) {
    const tile = readTile(message, number++, expected);
    if (expected.dense === true && before === undefined) {
      before = tile;
      continue;
    }
    countRows(received.get(tile.tap)!, tile, address);
    rows += tile.rows;
    yield before === undefined ? tile : { ...before, dense: rowsBeside(before, tile, address) };
    before = undefined;
  }
  if (rows === due && before === undefined) return;
  throw refused(expected, `worker ${address} sent ${rows} of ${due} rows of block ${expected.block}`);
}

/** Counts a tile's rows, which must follow those received of their sequence. */
function countRows(
  received: Uint32Array,
  { sequence, firstRow, rows, ...tile }: Tile,
  address: string,
): void {
  const due = received[sequence]!;
  if (firstRow !== due) {
    const where = `sequence ${sequence} of tap ${tile.tap}`;
    throw refused(tile, `worker ${address} sent row ${firstRow} of ${where}, where row ${due} was due`);
  }
  received[sequence] = due + rows;
}

/** The dense model's rows, which must be those of the tile before them. */
function rowsBeside(tile: Tile, dense: Tile, address: string): Float32Array {
  const same = (['tap', 'sequence', 'firstRow', 'rows'] as const).every((key) => tile[key] === dense[key]);
  if (same) return dense.data;
  throw refused(
    tile,
    `worker ${address} sent rows of the dense model that do not belong to those before them`,
  );
}

function refused({ block, shard }: Pick<Tile, 'block' | 'shard'>, message: string): EsparseError {
  return new EsparseError('protocol', message, { context: { block, shard } });
}
