import { mutateJson } from './mutate-json.ts';
import type { Random } from './random.ts';

const LENGTH_BYTES = 8;
/** 16-bit floats at which arithmetic breaks: infinities, not a number, the largest, the least, and -0. */
const EXTREMES = [0x7f80, 0xff80, 0x7fc0, 0x7f7f, 0x0001, 0x8000, 0x7c00, 0x7bff];

/**
 * A safetensors file with another header, whose length is right, or with some other weights; undefined where the bytes are
 * no such file.
 */
export function mutateSafetensors(
  bytes: Uint8Array,
  random: Random,
): readonly [bytes: Uint8Array, what: string] | undefined {
  if (bytes.length < LENGTH_BYTES) return undefined;
  const end = LENGTH_BYTES + Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  if (random.chance(0.5)) return [withWeights(bytes, end, random), 'other weights'];
  const mutated = mutateJson(Buffer.from(bytes.subarray(LENGTH_BYTES, end)).toString(), random);
  if (mutated === undefined) return undefined;
  const header = Buffer.from(mutated[0]);
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeBigUInt64LE(BigInt(header.length));
  return [Buffer.concat([length, header, bytes.subarray(end)]), `header: ${mutated[1]}`];
}

/** Some weights are others of the file, or random numbers, or the extremes. */
function withWeights(bytes: Uint8Array, end: number, random: Random): Uint8Array {
  const out = Buffer.from(bytes);
  const place = () => end + random.int(out.length - end - 1);
  const kind = random.int(3);
  for (let i = random.int(100); i >= 0; i--) {
    const value = [out.readUInt16LE(place()), random.int(0x10000), random.pick(EXTREMES)][kind]!;
    out.writeUInt16LE(value, place());
  }
  return out;
}
