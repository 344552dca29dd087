import { createHash } from 'node:crypto';
import type { Checkpoint } from '@esparse/checkpoint';
import { narrow } from '@esparse/kernels';

/**
 * A checkpoint of which some tensors have other values. Its digest is that of both.
 *
 * @param tensors by their names, f32
 */
export function tunedCheckpoint(base: Checkpoint, tensors: ReadonlyMap<string, Float32Array>): Checkpoint {
  /** The bytes of some rows of a tensor, where it has other values. */
  const bytesOf = (name: string, range?: readonly [number, number]) => {
    const values = tensors.get(name);
    if (values === undefined) return undefined;
    const { dtype, shape } = base.info(name);
    const row = values.length / shape[0]!;
    const some = range === undefined ? values : values.subarray(range[0] * row, range[1] * row);
    const stored = dtype === 'F32' ? some : narrow(dtype === 'BF16' ? 'bf16' : 'f16', some);
    return new Uint8Array(stored.buffer, stored.byteOffset, stored.byteLength).slice();
  };
  const digest = createHash('sha256').update(base.digest);
  for (const [name, values] of tensors) digest.update(`\n${name}\n`).update(values);
  return {
    ...base,
    digest: digest.digest('hex'),
    read: async (name, signal) => bytesOf(name) ?? base.read(name, signal),
    readRowRange: async (name, begin, end, signal) =>
      bytesOf(name, [begin, end]) ?? base.readRowRange(name, begin, end, signal),
    fileOf: (name) => (tensors.has(name) ? undefined : base.fileOf(name)),
  };
}
