import type { Random } from './random.ts';

/** Sizes and offsets at which readers break: small, at the edge of a number's bits, and beyond any file. */
const EDGES = [0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0xffff, 0x7fffffff, 0xffffffff, 2 ** 53 - 1, 2 ** 53];
/** The longest piece that is cut out, repeated or overwritten. */
const MAX_PIECE = 4096;

type ByteMutation = (bytes: Uint8Array, random: Random) => Uint8Array;

const MUTATIONS: Readonly<Record<string, ByteMutation>> = {
  'a flipped bit': (bytes, random) => {
    const at = random.int(bytes.length);
    return replaced(bytes, at, Uint8Array.of(bytes[at]! ^ (1 << random.int(8))));
  },
  'a random byte': (bytes, random) =>
    replaced(bytes, random.int(bytes.length), Uint8Array.of(random.int(256))),
  'a number at an edge': (bytes, random) => {
    const number = new Uint8Array(8);
    new DataView(number.buffer).setBigUint64(0, BigInt(random.pick(EDGES)), true);
    return replaced(bytes, random.int(bytes.length), number);
  },
  zeros: (bytes, random) => replaced(bytes, random.int(bytes.length), new Uint8Array(random.int(MAX_PIECE))),
  'a cut end': (bytes, random) => bytes.slice(0, random.int(bytes.length)),
  'a longer end': (bytes, random) => Buffer.concat([bytes, bytes.subarray(0, 1 + random.int(MAX_PIECE))]),
  'a piece less': (bytes, random) => {
    const at = random.int(bytes.length);
    return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + random.int(MAX_PIECE))]);
  },
  'a piece twice': (bytes, random) => {
    const at = random.int(bytes.length);
    const end = at + 1 + random.int(MAX_PIECE);
    return Buffer.concat([bytes.subarray(0, end), bytes.subarray(at)]);
  },
  nothing: () => new Uint8Array(),
};

/** Other bytes than those given, and what was done to them. */
export function mutateBytes(bytes: Uint8Array, random: Random): readonly [bytes: Uint8Array, what: string] {
  const what = bytes.length === 0 ? 'a longer end' : random.pick(Object.keys(MUTATIONS));
  const mutated = bytes.length === 0 ? Uint8Array.of(random.int(256)) : MUTATIONS[what]!(bytes, random);
  return Buffer.compare(mutated, bytes) === 0 ? mutateBytes(bytes, random) : [mutated, what];
}

/** Overwrites what is at `at`, never beyond the end. */
function replaced(bytes: Uint8Array, at: number, piece: Uint8Array): Uint8Array {
  const out = new Uint8Array(bytes);
  out.set(piece.subarray(0, bytes.length - at), at);
  return out;
}
