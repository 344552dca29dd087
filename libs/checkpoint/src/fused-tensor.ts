import { EsparseError } from '@esparse/errors';
import { bytesPerElement, elementCount, type TensorInfo } from './tensor-info.ts';

/** A tensor that holds several, one after the other. */
export interface FusedTensor {
  readonly name: string;
  /** As the checkpoint has it: (sum of the parts' rows, …). */
  readonly shape: readonly number[];
  /** What it holds, in order. */
  readonly parts: readonly { readonly name: string; readonly rows: number }[];
  /**
   * The checkpoint has the transposed matrix, (columns x sum of the parts' rows), and so has `shape`.
   * @default false
   */
  readonly transposed?: boolean;
}

/**
 * Where the parts of a tensor lie. Rows follow one another, so that each part is a tensor in the same file; of a transposed
 * matrix each part is some of the columns.
 *
 * @throws EsparseError 'checkpoint' where the tensor has another shape
 */
export function partsOf(
  { name, shape, parts, transposed = false }: FusedTensor,
  fused: TensorInfo,
): TensorInfo[] {
  if (fused.shape.length !== shape.length || fused.shape.some((size, i) => size !== shape[i])) {
    throw new EsparseError(
      'checkpoint',
      `tensor '${name}' is ${fused.shape.join(' x ')}, but config.json implies ${shape.join(' x ')}`,
      {
        hint: 'config.json and the safetensors files must be of the same model',
        context: { tensor: name },
      },
    );
  }
  let first = 0;
  const columns = transposed ? shape.slice(0, 1) : shape.slice(1);
  const rowBytes = elementCount(columns)! * bytesPerElement(fused.dtype);
  return parts.map(({ name: part, rows }) => {
    const from = first;
    first += rows;
    const of = { ...fused, name: part, shape: [rows, ...columns] };
    if (transposed) return { ...of, transposed: { first: from, columns: shape[1]! } };
    return { ...of, begin: fused.begin + from * rowBytes, end: fused.begin + first * rowBytes };
  });
}
