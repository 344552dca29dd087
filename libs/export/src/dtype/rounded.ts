import { bytesOf, tensorToF32, type TensorDtype } from '@esparse/checkpoint';
import { EsparseError } from '@esparse/errors';
import { narrow } from '@esparse/kernels';
import { DTYPES, nameOf, type ExportDtype } from './dtypes.ts';

/** The bits of infinity, without its sign. */
const INFINITY = { bf16: 0x7f80, f16: 0x7c00 };

/**
 * The numbers of a tensor in another type: each the nearest that there is, ties to even.
 *
 * @param tensor its name, for the message
 * @throws EsparseError 'unsupported' for a finite number that is infinity in the other type
 */
export async function rounded(
  bytes: Uint8Array,
  from: TensorDtype,
  to: ExportDtype,
  tensor: string,
): Promise<Uint8Array> {
  if (from === DTYPES[to].stored) return bytes;
  const values = await tensorToF32(from, bytes);
  if (to === 'f32') return bytesOf(values);
  const bits = narrow(to, values);
  const lost = bits.findIndex((one, i) => (one & 0x7fff) === INFINITY[to] && Number.isFinite(values[i]));
  if (lost === -1) return bytesOf(bits);
  throw new EsparseError('unsupported', `tensor ${tensor} holds ${values[lost]}, which ${to} cannot`, {
    hint: `export it as ${nameOf(from)} or f32, to another --out`,
    context: { tensor },
  });
}

/** Whether a type has every number of another one. */
export function holds(dtype: ExportDtype, other: TensorDtype): boolean {
  return dtype === 'f32' || other === DTYPES[dtype].stored;
}
