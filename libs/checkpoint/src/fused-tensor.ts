import { EsparseError } from '@esparse/errors';
import { MXFP4_BLOCK, MXFP4_BLOCK_BYTES } from './mxfp4.ts';
import { bytesPerElement, elementCount, type StoredTensor, type TensorInfo } from './tensor-info.ts';

/** A tensor that holds several. Their rows follow one another, part by part, unless it says otherwise. */
export interface FusedTensor {
  readonly name: string;
  /** As the checkpoint has it: (sum of the parts' rows, …), behind `stack` where there is one. */
  readonly shape: readonly number[];
  /** What it holds, in order. */
  readonly parts: readonly { readonly name: string; readonly rows: number }[];
  /** So many matrices, or lists, one behind the other: its first dimension. Each holds an equal share of the parts. @default one, without that dimension */
  readonly stack?: number;
  /** The parts of a matrix take turns: row 0 of each, then row 1 of each. @default false */
  readonly interleaved?: boolean;
  /**
   * The checkpoint has the transposed matrix, (columns x sum of the parts' rows), and so has `shape`.
   * @default false
   */
  readonly transposed?: boolean;
  /**
   * What a checkpoint may have in the place of the matrix: blocks of MXFP4 with their scales, never transposed.
   * @default nothing
   */
  readonly mxfp4?: { readonly blocks: string; readonly scales: string };
}

/** The matrices of a fused tensor: each of so many rows, which are `parts` of them, and columns. */
export interface FusedMatrices {
  readonly count: number;
  readonly rows: number;
  /** Without any, it is a list. */
  readonly columns: readonly number[];
  /** How many parts each has. */
  readonly parts: number;
}

/** The sizes of a fused tensor's matrices, the same whether they are transposed or not. */
export function matricesOf({ shape, parts, stack, transposed = false }: FusedTensor): FusedMatrices {
  const own = stack === undefined ? shape : shape.slice(1);
  const [rows, columns] = transposed ? [own[1]!, own.slice(0, 1)] : [own[0]!, own.slice(1)];
  return { count: stack ?? 1, rows, columns, parts: parts.length / (stack ?? 1) };
}

/**
 * Where the parts of a tensor lie: each is a tensor in the same file.
 *
 * @throws EsparseError 'checkpoint' where the tensor has another shape
 */
export function partsOf(fused: FusedTensor, stored: TensorInfo): TensorInfo[] {
  requireShape(stored, fused.shape);
  const { rows, columns } = matricesOf(fused);
  const { interleaved = false, transposed = false } = fused;
  const rowBytes = elementCount(columns)! * bytesPerElement(stored.dtype);
  return placed(fused, stored, rows * rowBytes).map(({ part, begin, end, first, step }) => {
    const { file, dtype } = stored;
    const of = { name: part.name, dtype, shape: [part.rows, ...columns], file };
    if (interleaved || transposed)
      return { ...of, begin, end, within: { first, step, transposed, of: rows } };
    return { ...of, begin: begin + first * rowBytes, end: begin + (first + part.rows) * rowBytes };
  });
}

/**
 * The same of a tensor that is stored as blocks of MXFP4: the parts are bf16, which holds their values exactly.
 *
 * @throws EsparseError 'checkpoint' where blocks or scales have another type or shape
 */
export function mxfp4PartsOf(fused: FusedTensor, blocks: StoredTensor, scales: StoredTensor): TensorInfo[] {
  const { rows, columns, count } = matricesOf(fused);
  const cols = elementCount(columns)!;
  if (cols % MXFP4_BLOCK !== 0) {
    throw new EsparseError(
      'checkpoint',
      `tensor '${blocks.name}' has blocks of ${MXFP4_BLOCK}, and config.json implies rows of ${cols}`,
      { context: { tensor: blocks.name } },
    );
  }
  const each = cols / MXFP4_BLOCK;
  const stack = fused.stack === undefined ? [] : [count];
  requireShape(blocks, [...stack, rows, each, MXFP4_BLOCK_BYTES], 'U8');
  requireShape(scales, [...stack, rows, each], 'U8');
  return placed(fused, blocks, rows * each * MXFP4_BLOCK_BYTES).map(
    ({ part, matrix, begin, end, first, step }) => ({
      ...{ name: part.name, dtype: 'BF16', shape: [part.rows, ...columns], file: blocks.file, begin, end },
      within: { first, step, transposed: false, of: rows },
      mxfp4: { file: scales.file, begin: scales.begin + matrix * rows * each },
    }),
  );
}

/** Of each part: which matrix holds it, where that begins and ends, and which of its rows are the part's. */
function placed(fused: FusedTensor, { begin }: Pick<StoredTensor, 'begin'>, matrixBytes: number) {
  const { parts: each } = matricesOf(fused);
  let rowsBefore = 0;
  return fused.parts.map((part, i) => {
    const [matrix, turn] = [Math.floor(i / each), i % each];
    if (turn === 0) rowsBefore = 0;
    const [first, step] = fused.interleaved === true ? [turn, each] : [rowsBefore, 1];
    rowsBefore += part.rows;
    const from = begin + matrix * matrixBytes;
    return { part, matrix, begin: from, end: from + matrixBytes, first, step };
  });
}

function requireShape({ name, shape, dtype }: StoredTensor, expected: readonly number[], type = dtype): void {
  const sameShape = shape.length === expected.length && shape.every((size, i) => size === expected[i]);
  if (sameShape && dtype === type) return;
  const ofType = dtype === type ? '' : ` of ${type}`;
  throw new EsparseError(
    'checkpoint',
    `tensor '${name}' is ${shape.join(' x ')}${ofType && ` of ${dtype}`}, but config.json implies ${expected.join(' x ')}${ofType}`,
    {
      hint: 'config.json and the safetensors files must be of the same model',
      context: { tensor: name },
    },
  );
}
