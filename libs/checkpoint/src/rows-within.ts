import { EsparseError } from '@esparse/errors';
import { allocate } from '@esparse/storage';
import type { CheckpointFile } from './checkpoint-file.ts';
import { dequantizeMxfp4, MXFP4_BLOCK, MXFP4_BLOCK_BYTES } from './mxfp4.ts';
import { bytesPerElement, elementCount, type RowsWithin, type TensorInfo } from './tensor-info.ts';
import { elementsOf } from './views.ts';

/** Bytes of the file that are in memory beside the result: they stay in the processor's cache while they are sorted. */
const PIECE_BYTES = 1024 * 1024;

/** The open file of that name. */
export type FileNamed = (file: string) => CheckpointFile;

/**
 * Reads rows `begin .. begin + count - 1` of a tensor whose rows are some of a matrix: (count x columns), in memory of its own.
 * The file is read a piece at a time.
 */
export async function readRowsWithin(
  fileNamed: FileNamed,
  info: TensorInfo,
  begin: number,
  count: number,
  signal?: AbortSignal,
): Promise<Uint8Array> {
  const { name, within, mxfp4, shape, dtype } = info;
  if (within === undefined) throw new EsparseError('internal', `tensor ${name} is no part of a matrix`);
  const file = fileNamed(info.file);
  const rows = { ...within, first: within.first + begin * within.step, count };
  if (within.transposed) return readColumns(file, info, rows, signal);
  const columns = elementCount(shape.slice(1))!;
  const rowBytes = columns * bytesPerElement(dtype);
  const out = allocate(count * rowBytes);
  if (mxfp4 === undefined) {
    await eachRow(
      file,
      info.begin,
      rowBytes,
      rows,
      (row, bytes) => {
        out.set(bytes, row * rowBytes);
      },
      signal,
    );
    return out;
  }
  const blocks = columns / MXFP4_BLOCK;
  const scales = new Uint8Array(count * blocks);
  const keep = (row: number, bytes: Uint8Array) => {
    scales.set(bytes, row * blocks);
  };
  await eachRow(fileNamed(mxfp4.file), mxfp4.begin, blocks, rows, keep, signal);
  // Rows of whole blocks: two numbers of 16 bits to an element.
  const pairs = new Uint32Array(out.buffer, out.byteOffset, (count * columns) / 2);
  const dequantize = (row: number, bytes: Uint8Array) => {
    const own = scales.subarray(row * blocks, (row + 1) * blocks);
    dequantizeMxfp4(bytes, own, pairs.subarray((row * columns) / 2, ((row + 1) * columns) / 2));
  };
  await eachRow(file, info.begin, blocks * MXFP4_BLOCK_BYTES, rows, dequantize, signal);
  return out;
}

/** Some rows of a matrix, or columns. */
type Rows = Pick<RowsWithin, 'first' | 'step' | 'of'> & { readonly count: number };

/** Reads rows of a matrix that begins at a byte of the file, and gives each to `take`, numbered from 0. */
async function eachRow(
  file: CheckpointFile,
  begin: number,
  rowBytes: number,
  { first, step, count }: Rows,
  take: (row: number, bytes: Uint8Array) => void,
  signal?: AbortSignal,
): Promise<void> {
  const rowsAtOnce = Math.max(1, Math.floor(PIECE_BYTES / (rowBytes * step)));
  for (let row = 0; row < count; row += rowsAtOnce) {
    const height = Math.min(rowsAtOnce, count - row);
    // What lies behind the last row is not read.
    const length = ((height - 1) * step + 1) * rowBytes;
    const piece = await file.read(begin + (first + row * step) * rowBytes, length, signal);
    for (let r = 0; r < height; r++) {
      take(row + r, piece.subarray(r * step * rowBytes, (r * step + 1) * rowBytes));
    }
  }
}

/** Reads columns of a matrix as rows. It is read once from its beginning to its end, a piece of whole rows at a time. */
async function readColumns(
  file: CheckpointFile,
  { begin, shape, dtype }: TensorInfo,
  { first, step, of, count }: Rows,
  signal?: AbortSignal,
): Promise<Uint8Array> {
  const height = shape[1]!;
  const size = bytesPerElement(dtype);
  const rowBytes = of * size;
  const rowsAtOnce = Math.max(1, Math.floor(PIECE_BYTES / rowBytes));
  const out = allocate(count * height * size);
  const result = elementsOf(size, out);
  for (let row = 0; row < height; row += rowsAtOnce) {
    const rows = Math.min(rowsAtOnce, height - row);
    const piece = elementsOf(size, await file.read(begin + row * rowBytes, rows * rowBytes, signal));
    for (let c = 0; c < count; c++) {
      const [from, to] = [first + c * step, c * height + row];
      for (let r = 0; r < rows; r++) result[to + r] = piece[r * of + from]!;
    }
  }
  return out;
}
