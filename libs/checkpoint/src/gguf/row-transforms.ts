import { EsparseError } from '@esparse/errors';
import type { TensorDtype } from '../tensor-info.ts';

/** In what the rows of a tensor of a GGUF file differ from those of the checkpoint. */
export type RowTransform =
  /** Within each head the two halves of what turns lie side by side, pair by pair. */
  | { readonly kind: 'paired'; readonly heads: number }
  /** A constant was added to each element. */
  | { readonly kind: 'added'; readonly amount: number };

/** How the rows lie. */
export interface Rows {
  readonly dtype: TensorDtype;
  /** Rows of one head. */
  readonly perHead: number;
  readonly rowBytes: number;
}

/** Rows of a GGUF file as the checkpoint has them; whole heads. */
export function toCheckpoint(bytes: Uint8Array, transform: RowTransform | undefined, rows: Rows): Uint8Array {
  if (transform === undefined) return bytes;
  if (transform.kind === 'added') return plus(bytes, -transform.amount, rows);
  return reordered(bytes, rows, (row, half) => (row % 2) * half + (row >> 1));
}

/** Rows of a checkpoint as a GGUF file has them; whole heads. */
export function toGguf(bytes: Uint8Array, transform: RowTransform | undefined, rows: Rows): Uint8Array {
  if (transform === undefined) return bytes;
  if (transform.kind === 'added') return plus(bytes, transform.amount, rows);
  return reordered(bytes, rows, (row, half) => (row < half ? 2 * row : 2 * (row - half) + 1));
}

function plus(bytes: Uint8Array, amount: number, { dtype }: Rows): Uint8Array {
  if (dtype !== 'F32') {
    throw new EsparseError('unsupported', `a norm of the type ${dtype} in a GGUF file of this architecture`, {
      hint: 'norms are read in F32, as converters write them',
    });
  }
  const values = new Float32Array(bytes.slice().buffer).map((value) => value + amount);
  return new Uint8Array(values.buffer);
}

/** @param placeOf where a row of a head goes, by itself and half of the rows of a head */
function reordered(
  bytes: Uint8Array,
  { perHead, rowBytes }: Rows,
  placeOf: (row: number, half: number) => number,
): Uint8Array {
  const out = new Uint8Array(bytes.length);
  for (let row = 0; row * rowBytes < bytes.length; row++) {
    const within = row % perHead;
    const to = row - within + placeOf(within, perHead / 2);
    out.set(bytes.subarray(row * rowBytes, (row + 1) * rowBytes), to * rowBytes);
  }
  return out;
}
