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
  const received = new Map([...expected.taps.keys()].map((tap) => [tap, rowsOf(expected, tap)]));
  let number = 0;
  let before: Tile | undefined;
  for await (const message of messages) {
    const tile = readTile(message, number++, expected);
    if (expected.dense === true && before === undefined) {
      before = tile;
      continue;
    }
    countRows(received.get(tile.tap)!, tile, address);
    yield before === undefined ? tile : { ...before, dense: rowsBeside(before, tile, address) };
    before = undefined;
  }
  const rows = sum([...received.values()].map((counted) => counted.rows));
  const due = sum([...received.values()].map((counted) => counted.due));
  if (rows === due && before === undefined) return;
  throw refused(expected, `worker ${address} sent ${rows} of ${due} rows of block ${expected.block}`);
}

/** The rows of one tap, of each sequence: those that were received, and how many there are. */
interface Received {
  readonly rows: Uint32Array;
  readonly due: Uint32Array;
}

/** The rows of an expert, and of a value of a graph, are known once the first of them comes: there may be none. */
function rowsOf({ sequences, seqlen, routed, ownRows }: TileExpectation, tap: string): Received {
  const due = new Uint32Array(sequences);
  const isOpen = routed?.has(tap) === true || ownRows?.has(tap) === true;
  return { rows: new Uint32Array(sequences), due: isOpen ? due : due.fill(seqlen) };
}

function sum(counts: readonly Uint32Array[]): number {
  return counts.reduce((all, each) => each.reduce((total, count) => total + count, all), 0);
}

/** Counts a tile's rows, which must follow those received of their sequence. */
function countRows(
  received: Received,
  { sequence, firstRow, rows, sequenceRows = 0, ...tile }: Tile,
  address: string,
): void {
  const due = received.rows[sequence]!;
  if (received.due[sequence] === 0) received.due[sequence] = sequenceRows;
  if (received.due[sequence] !== sequenceRows) {
    const where = `sequence ${sequence} of tap ${tile.tap}`;
    throw refused(
      tile,
      `worker ${address} says that ${where} has ${sequenceRows} rows, and said another number`,
    );
  }
  if (firstRow !== due) {
    const where = `sequence ${sequence} of tap ${tile.tap}`;
    throw refused(tile, `worker ${address} sent row ${firstRow} of ${where}, where row ${due} was due`);
  }
  received.rows[sequence] = due + rows;
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
