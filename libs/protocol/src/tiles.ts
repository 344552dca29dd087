import { EsparseError } from '@esparse/errors';
import { free } from '@esparse/kernels';
import type { ActivationTile } from './generated/esparse/v1/ActivationTile.ts';
import type { ActivationTile__Output } from './generated/esparse/v1/ActivationTile.ts';
import { MAX_TILE_BYTES } from './limits.ts';

/** A piece of one tap's activations: `rows` consecutive tokens of one sequence. */
export interface Tile {
  readonly block: number;
  readonly tap: string;
  readonly shard: number;
  /** Sequence of the shard, and the first of its rows in this tile. */
  readonly sequence: number;
  readonly firstRow: number;
  readonly rows: number;
  readonly channels: number;
  /** rows x channels, row-major. */
  readonly data: Float32Array;
  /** Whether its rows are the last of their sequence. */
  readonly endsSequence: boolean;
  /** Rows of the tap in the sequence, where they are not those of all of its tokens: an expert's. */
  readonly sequenceRows?: number | undefined;
  /** The same rows of the dense model, (rows x channels), where they were asked for. */
  readonly dense?: Float32Array;
}

/**
 * Cuts a tile into messages of whole rows, as many as `MAX_TILE_BYTES` holds; each is followed by the dense model's rows
 * where the tile has them.
 *
 * @param firstNumber - Sequence number of the first message.
 */
export function* tileMessages(
  { data, dense, ...tile }: Omit<Tile, 'endsSequence'>,
  firstNumber: number,
): Generator<ActivationTile> {
  const rowBytes = tile.channels * 4;
  const rowsEach = Math.max(1, Math.floor(MAX_TILE_BYTES / rowBytes));
  let number = firstNumber;
  for (let row = 0; row < tile.rows; row += rowsEach) {
    const rows = Math.min(rowsEach, tile.rows - row);
    const message = (values: Float32Array, ofDense: boolean): ActivationTile => ({
      block: tile.block,
      tap: tile.tap,
      shard: tile.shard,
      sequenceNumber: number++,
      sequence: tile.sequence,
      firstRow: tile.firstRow + row,
      rows,
      channels: tile.channels,
      dtype: 'DTYPE_F32',
      data: Buffer.from(values.buffer, values.byteOffset + row * rowBytes, rows * rowBytes),
      dense: ofDense,
      sequenceRows: tile.sequenceRows ?? 0,
    });
    yield message(data, false);
    if (dense !== undefined) yield message(dense, true);
  }
}

/** What the receiver of a stream asked for, which its tiles must match. */
export interface TileExpectation {
  readonly block: number;
  readonly shard: number;
  readonly seqlen: number;
  readonly sequences: number;
  /** Channels of each tap. */
  readonly taps: ReadonlyMap<string, number>;
  /** Taps of experts, which have the rows of the tokens that are routed there: maybe none. @default none */
  readonly routed?: ReadonlySet<string> | undefined;
  /** Taps that have any number of rows in a sequence: those of graphs. @default none */
  readonly ownRows?: ReadonlySet<string> | undefined;
  /** Whether all tokens go to every expert. @default false */
  readonly allTokens?: boolean;
  /** Whether each tile is followed by the same rows of the dense model. @default false */
  readonly dense?: boolean;
}

/**
 * Checks a tile from the wire and takes its data; the message's own bytes must not be used afterwards.
 *
 * @param number - The sequence number that is due; every other tile is the dense model's, where that is asked for.
 * @throws EsparseError `protocol` where the tile is not what was asked for.
 */
export function readTile(message: ActivationTile__Output, number: number, expected: TileExpectation): Tile {
  const { block, tap, shard, sequence, firstRow, rows, channels, data } = message;
  const refuse = (why: string): never => {
    throw new EsparseError(
      'protocol',
      `tile ${number} of block ${expected.block}, shard ${expected.shard}: ${why}`,
      {
        context: { block: expected.block, shard: expected.shard },
      },
    );
  };
  if (message.sequenceNumber !== number) refuse(`number ${message.sequenceNumber} came instead`);
  if (block !== expected.block || shard !== expected.shard) refuse(`it says block ${block}, shard ${shard}`);
  if (expected.taps.get(tap) !== channels)
    refuse(`tap ${tap.slice(0, 80)} with ${channels} channels was not asked for`);
  const denseDue = expected.dense === true && number % 2 === 1;
  if (message.dense !== denseDue) refuse(`rows of the ${denseDue ? 'dense model' : 'model'} are due`);
  if (message.dtype !== 'DTYPE_F32') refuse(`dtype ${message.dtype} is unknown`);
  const { sequenceRows } = message;
  const most = expected.routed?.has(tap) === true ? expected.seqlen : 0;
  if (sequenceRows > most && expected.ownRows?.has(tap) !== true) {
    refuse(`tap ${tap} has ${sequenceRows} rows in sequence ${sequence}`);
  }
  const last = sequenceRows === 0 ? expected.seqlen : sequenceRows;
  if (sequence >= expected.sequences || rows === 0 || firstRow + rows > last) {
    refuse(`rows ${firstRow} to ${firstRow + rows} of sequence ${sequence} are outside the shard`);
  }
  if (data.length !== rows * channels * 4 || data.length > MAX_TILE_BYTES) {
    refuse(`${data.length} bytes for ${rows} x ${channels} values`);
  }
  const endsSequence = firstRow + rows === last;
  const place = { block, tap, shard, sequence, firstRow, rows, channels, sequenceRows: last };
  return { ...place, data: asFloats(data), endsSequence };
}

/** The little-endian floats in a message's bytes; copied only where they are not aligned. */
function asFloats(bytes: Buffer): Float32Array {
  if (bytes.byteOffset % 4 === 0)
    return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
  const floats = new Float32Array(bytes.byteLength / 4);
  new Uint8Array(floats.buffer).set(bytes);
  free(bytes);
  return floats;
}
