import { bitsOf, elementCount } from './tensor-info.ts';

/** A tensor to be listed in a header. */
export interface TensorToList {
  readonly name: string;
  readonly shape: readonly number[];
  /** As the format names it: 'BF16', 'F32', 'BOOL', 'I32'. */
  readonly dtype: string;
}

/** Headers are padded with spaces so that the data begins at a multiple of this, as the format advises. */
const ALIGNMENT = 8;

/**
 * The first bytes of a safetensors file: the header's length, and the header. The tensors' bytes follow in this order.
 *
 * @param metadata texts by name; none is written where there are none.
 *   @default that of a PyTorch checkpoint, which Hugging Face libraries want to see
 */
export function safetensorsHeader(
  tensors: readonly TensorToList[],
  metadata: Readonly<Record<string, string>> = { format: 'pt' },
): Uint8Array {
  let at = 0;
  const entries = tensors.map((tensor): [string, unknown] => {
    const { name, dtype, shape } = tensor;
    const begin = at;
    at += tensorBytes(tensor);
    return [name, { dtype, shape, data_offsets: [begin, at] }];
  });
  if (Object.keys(metadata).length > 0) entries.unshift(['__metadata__', metadata]);
  const json = Buffer.from(JSON.stringify(Object.fromEntries(entries)));
  const length = Math.ceil(json.length / ALIGNMENT) * ALIGNMENT;
  const header = Buffer.alloc(8 + length, ' ');
  header.writeBigUInt64LE(BigInt(length), 0);
  json.copy(header, 8);
  return header;
}

/** Bytes of a tensor's elements. */
export function tensorBytes({ shape, dtype }: Omit<TensorToList, 'name'>): number {
  return (elementCount(shape)! * bitsOf(dtype)!) / 8;
}
