import { EsparseError } from '@esparse/errors';
import { bytesPerElement, type TensorInfo } from './tensor-info.ts';

/** A tensor that holds several, one below the other. */
export interface FusedTensor {
  readonly name: string;
  /** (sum of the parts' rows x columns) */
  readonly shape: readonly [number, number];
  /** What it holds, in order. */
  readonly parts: readonly { readonly name: string; readonly rows: number }[];
}

/**
 * Where the parts of a tensor lie: rows follow one another, so that each part is a tensor in the same file.
 * @throws EsparseError 'checkpoint' where the tensor has another shape
 */
export function partsOf({ name, shape, parts }: FusedTensor, fused: TensorInfo): TensorInfo[] {
  const [rows, cols] = shape;
  if (fused.shape.length !== 2 || fused.shape[0] !== rows || fused.shape[1] !== cols) {
    throw new EsparseError(
      'checkpoint',
      `tensor '${name}' is ${fused.shape.join(' x ')}, but config.json implies ${rows} x ${cols}`,
      {
        hint: 'config.json and the safetensors files must be of the same model',
        context: { tensor: name },
      },
    );
  }
  const rowBytes = cols * bytesPerElement(fused.dtype);
  let at = fused.begin;
  return parts.map((part) => ({
    ...fused,
    name: part.name,
    shape: [part.rows, cols],
    begin: at,
    end: (at += part.rows * rowBytes),
  }));
}
