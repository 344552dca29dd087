import { EsparseError } from '@esparse/errors';
import { forEachBounded } from '@esparse/storage';
import type { CheckpointFile } from './checkpoint-file.ts';
import { readRowsWithin, type FileNamed } from './rows-within.ts';
import { elementCount, bytesPerElement, type TensorInfo } from './tensor-info.ts';

/** Reads under way at once: twice the threads that Node gives to files. */
const READS_AT_ONCE = 8;
/** Neighbouring rows are read together, up to this many bytes. */
const MAX_RUN_BYTES = 1024 * 1024;

/** Bytes of one row (all but the first dimension); a scalar has no rows. */
export function rowBytes(info: TensorInfo): number {
  if (info.shape.length === 0) {
    throw new EsparseError('usage', `tensor ${info.name} is a scalar and has no rows`, {
      context: { tensor: info.name },
    });
  }
  return (elementCount(info.shape.slice(1)) ?? 0) * bytesPerElement(info.dtype);
}

/** Consecutive rows `begin .. end - 1` of the first dimension. */
export async function readRowRange(
  fileNamed: FileNamed,
  info: TensorInfo,
  begin: number,
  end: number,
  signal?: AbortSignal,
): Promise<Uint8Array> {
  const stride = rowBytes(info);
  const rows = info.shape[0]!;
  const inside =
    Number.isInteger(begin) && Number.isInteger(end) && begin >= 0 && begin <= end && end <= rows;
  if (!inside) {
    throw new EsparseError('usage', `rows ${begin} to ${end} of tensor ${info.name}, which has ${rows}`, {
      context: { tensor: info.name, rows },
    });
  }
  if (info.within !== undefined) return readRowsWithin(fileNamed, info, begin, end - begin, signal);
  return fileNamed(info.file).read(info.begin + begin * stride, (end - begin) * stride, signal);
}

/**
 * Gathers rows of a 2-D tensor, in the order asked for, each distinct one read once; neighbours share a read.
 * Returns (rows.length, columns).
 */
export async function gatherRows(
  fileNamed: FileNamed,
  info: TensorInfo,
  rows: Uint32Array,
  signal?: AbortSignal,
): Promise<Uint8Array> {
  const limit = info.shape[0] ?? 0;
  if (info.shape.length !== 2) {
    throw new EsparseError(
      'usage',
      `rows are gathered of 2-D tensors, and ${info.name} is [${info.shape.join(', ')}]`,
      { context: { tensor: info.name } },
    );
  }
  const outside = rows.find((row) => row >= limit);
  if (outside !== undefined) {
    throw new EsparseError('usage', `row ${outside} of tensor ${info.name}, which has ${limit} rows`, {
      hint: 'where rows are token ids, the tokenizer has more tokens than the model',
      context: { tensor: info.name, row: outside, rows: limit },
    });
  }
  const stride = rowBytes(info);
  const out = allocate(rows.length * stride, info.name);
  /** Positions in `rows`, in the order of the rows they name. */
  const order = Uint32Array.from(rows.keys()).sort((a, b) => rows[a]! - rows[b]!);
  const file = fileNamed(info.file);
  if (info.within === undefined && file.readPieces !== undefined) {
    await gatherShort(file.readPieces, info, { rows, order, out }, signal);
    return out;
  }
  const runs = findRuns(rows, order, Math.max(1, Math.floor(MAX_RUN_BYTES / Math.max(1, stride))));
  await forEachBounded(runs.length, READS_AT_ONCE, async (i) => {
    const { from, to } = runs[i]!;
    const first = rows[order[from]!]!;
    const bytes = await readRowRange(fileNamed, info, first, rows[order[to - 1]!]! + 1, signal);
    for (let k = from; k < to; k++) {
      const at = (rows[order[k]!]! - first) * stride;
      out.set(bytes.subarray(at, at + stride), order[k]! * stride);
    }
  });
  return out;
}

/** The same of a file that gives short pieces quickly: each distinct row goes to its first place, and from there to the others. */
async function gatherShort(
  readPieces: NonNullable<CheckpointFile['readPieces']>,
  info: TensorInfo,
  { rows, order, out }: { readonly rows: Uint32Array; readonly order: Uint32Array; readonly out: Uint8Array },
  signal?: AbortSignal,
): Promise<void> {
  const stride = rowBytes(info);
  const targetAt = (position: number) => out.subarray(position * stride, (position + 1) * stride);
  const isFirst = (k: number) => k === 0 || rows[order[k]!] !== rows[order[k - 1]!];
  const pieces = Array.from(order.keys())
    .filter(isFirst)
    .map((k) => ({ offset: info.begin + rows[order[k]!]! * stride, target: targetAt(order[k]!) }));
  if (stride === 0 || pieces.length === 0) return;
  await readPieces(pieces, signal);
  for (let k = 1; k < order.length; k++) {
    if (!isFirst(k)) targetAt(order[k]!).set(targetAt(order[k - 1]!));
  }
}

/** Stretches of `order` whose rows are equal or follow one another, at most `maxRows` distinct ones each. */
function findRuns(rows: Uint32Array, order: Uint32Array, maxRows: number): { from: number; to: number }[] {
  const runs: { from: number; to: number }[] = [];
  for (let from = 0; from < order.length;) {
    const first = rows[order[from]!]!;
    let to = from + 1;
    while (to < order.length) {
      const row = rows[order[to]!]!;
      if (row - rows[order[to - 1]!]! > 1 || row - first >= maxRows) break;
      to++;
    }
    runs.push({ from, to });
    from = to;
  }
  return runs;
}

function allocate(length: number, tensor: string): Uint8Array {
  try {
    return new Uint8Array(length);
  } catch (error) {
    throw new EsparseError('usage', `${length} bytes of rows of tensor ${tensor} cannot be held at once`, {
      hint: 'ask for fewer rows at a time',
      context: { tensor },
      cause: error,
    });
  }
}
