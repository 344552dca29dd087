import { EsparseError } from '@esparse/errors';
import { packedLayout, TILE_ROWS, type PackedLayout } from './packed-layout.ts';

/** Bits of a quantized weight. */
export type QuantizedBits = 3 | 4 | 8;

/**
 * How it is said where survivors stand.
 *
 * - `all`: nothing is pruned, and nothing said. The pattern is 1:1.
 * - `fields`, of 2:4: for every 16 survivors of a row a little-endian word of 32 bits, in which byte j has the positions of
 *   survivors j, 4 + j, 8 + j and 12 + j in their groups, from its lowest two bits on: [tile][sixteen][row of the tile].
 * - `masks`, of 4:8: a byte whose bit m says that position m survives, [tile][group][row of the tile].
 * - `packed`, of other patterns: as in `PackedLayout`.
 */
export type QuantizedPlaces = 'all' | 'fields' | 'masks' | 'packed';

/**
 * Survivors as small integers with a scale: the layout that the kernels of quantized linears walk.
 *
 * Tiles of 16 rows. A row's survivors follow each other in the order of groups, then of positions, and are filled up with
 * zeros to a multiple of 16, of 3 bits to one of 32. `codes` is [tile][vector][row of the tile][4 bytes]. Of 8 bits a vector has four survivors of
 * each row, a signed byte each. Of 4 bits it has eight: byte j has survivor j in its lower half and survivor 4 + j in its
 * upper one, each as a signed number of 4 bits. Of 3 bits three vectors have 32: byte j of the first has the lower two bits of
 * survivors j, 4 + j, 8 + j and 12 + j, from its lowest bits on, as positions of 2:4 have theirs; the second those of the next
 * sixteen; and bit k of byte j of the third the sign of survivor 4 k + j: it counts -4. The weight is the number times a scale.
 *
 * So a vector is a register of 64 bytes, or parts of it, of which no byte has to change its place: numbers and positions
 * come out by shifts and masks, for all rows at once.
 *
 * A scale is a bf16, finite and not zero, of the survivors of `span` consecutive groups of a row: `scales` is
 * [tile][span][row of the tile]. The last span of a row may be shorter.
 */
export interface QuantizedLayout {
  readonly places: QuantizedPlaces;
  /** Where the survivors stand, of `packed` alone. */
  readonly packed: PackedLayout | undefined;
  readonly tiles: number;
  readonly groups: number;
  /** Vectors of codes of a tile. */
  readonly vectors: number;
  /** Indices of a tile: how many pieces, and the bytes of each. */
  readonly indices: readonly [pieces: number, bytes: number];
  /** Spans of a row. */
  readonly spans: number;
}

/** Bytes of a vector of codes: a register of AVX-512. */
export const VECTOR_BYTES = 64;
/** Survivors of a row that are taken together. */
export const PADDED_SURVIVORS = 16;
/** Survivors that may share a scale: sums of their products with 16-bit integers are exact in 32 bits. */
export const MAX_SPAN_SURVIVORS = 512;

/** The shape of a quantized matrix. */
export interface QuantizedShape {
  readonly rows: number;
  readonly cols: number;
  /** Equal to `group`, both 1, where nothing is pruned. */
  readonly keep: number;
  readonly group: number;
  readonly bits: QuantizedBits;
  /** Groups whose survivors share a scale. */
  readonly span: number;
}

/** The layout of a (rows, cols) matrix, whose pattern is sound. @throws EsparseError 'store' for a span that no matrix has */
export function quantizedLayout({ rows, cols, keep, group, bits, span }: QuantizedShape): QuantizedLayout {
  if (!Number.isInteger(span) || span < 1 || span * keep > MAX_SPAN_SURVIVORS) {
    throw new EsparseError(
      'store',
      `a scale for every ${span} groups of ${keep}:${group}: 1 to ${MAX_SPAN_SURVIVORS} survivors can share one`,
    );
  }
  const places = placesOf(keep, group);
  const groups = cols / group;
  const padded = bits === 3 ? 2 * PADDED_SURVIVORS : PADDED_SURVIVORS;
  const sixteens = Math.ceil((groups * keep) / padded) * (padded / PADDED_SURVIVORS);
  const packed = places === 'packed' ? packedLayout(rows, cols, keep, group) : undefined;
  const indices = {
    all: [0, 0],
    fields: [sixteens, 4 * TILE_ROWS],
    masks: [groups, TILE_ROWS],
    packed: [groups, packed?.groupBytes ?? 0],
  } as const;
  return {
    ...{ places, packed, groups, indices: indices[places] },
    tiles: Math.ceil(rows / TILE_ROWS),
    vectors: (sixteens * PADDED_SURVIVORS * bits) / 32,
    spans: Math.ceil(groups / span),
  };
}

function placesOf(keep: number, group: number): QuantizedPlaces {
  if (group === 1) return 'all';
  if (keep === 2 && group === 4) return 'fields';
  return keep === 4 && group === 8 ? 'masks' : 'packed';
}

/** As many groups as have at most so many survivors, at least one; of 16 on a multiple of 16 survivors, where there is one. */
export function spanOf(keep: number, survivors: number): number {
  const most = Math.max(1, Math.floor(Math.min(survivors, MAX_SPAN_SURVIVORS) / keep));
  const together = PADDED_SURVIVORS % keep === 0 ? PADDED_SURVIVORS / keep : 1;
  return most < together ? most : most - (most % together);
}

/** Puts the number of a row's survivor where zeros are. */
export function putNumber(
  codes: Uint8Array,
  layout: QuantizedLayout,
  bits: QuantizedBits,
  { row, survivor, integer }: { readonly row: number; readonly survivor: number; readonly integer: number },
): void {
  const byte = byteAt(layout, bits, row, survivor);
  if (bits !== 3) {
    codes[byte]! |= (integer & (2 ** bits - 1)) << shiftAt(bits, survivor);
    return;
  }
  codes[byte]! |= (integer & 3) << shiftAt(bits, survivor);
  codes[signsAt(byte, survivor)]! |= ((integer >> 2) & 1) << signBit(survivor);
}

/** The number of a row's survivor. */
export function numberAt(
  codes: Uint8Array,
  layout: QuantizedLayout,
  bits: QuantizedBits,
  row: number,
  survivor: number,
): number {
  const byte = byteAt(layout, bits, row, survivor);
  const shift = shiftAt(bits, survivor);
  // To the top, then down again with its sign.
  if (bits !== 3) return (codes[byte]! << (32 - bits - shift)) >> (32 - bits);
  const sign = (codes[signsAt(byte, survivor)]! >> signBit(survivor)) & 1;
  return ((codes[byte]! >> shift) & 3) - 4 * sign;
}

/** Where the code of a row's survivor lies, of 3 bits the lower two of it. */
function byteAt({ vectors }: QuantizedLayout, bits: QuantizedBits, row: number, survivor: number): number {
  const [tile, lane] = [Math.floor(row / TILE_ROWS), row % TILE_ROWS];
  const within = bits === 3 ? 3 * (survivor >> 5) + ((survivor >> 4) & 1) : (survivor * bits) >> 5;
  return (tile * vectors + within) * VECTOR_BYTES + lane * 4 + (survivor & 3);
}

/** Its lowest bit there. */
function shiftAt(bits: QuantizedBits, survivor: number): number {
  return bits === 8 ? 0 : bits === 4 ? survivor & 4 : 2 * ((survivor >> 2) & 3);
}

/** Of 3 bits: where the sign lies, of what lies at this byte; and its bit there. */
function signsAt(byte: number, survivor: number): number {
  return byte + (2 - ((survivor >> 4) & 1)) * VECTOR_BYTES;
}

function signBit(survivor: number): number {
  return (survivor >> 2) & 7;
}

/** Where the scale of a row's span lies. */
export function scaleAt({ spans }: QuantizedLayout, row: number, span: number): number {
  return (Math.floor(row / TILE_ROWS) * spans + span) * TILE_ROWS + (row % TILE_ROWS);
}

/** Whether a bf16 can be a scale: it is zero where all bits but the sign are, and not finite where all of its exponent are set. */
export function isScale(bits: number): boolean {
  return (bits & 0x7fff) !== 0 && (bits & 0x7f80) !== 0x7f80;
}

/** Whose scale is none, the first as they lie; undefined where all are scales. */
export function notScaled(
  { spans }: Pick<QuantizedLayout, 'spans'>,
  scales: Uint16Array,
): { readonly row: number; readonly span: number } | undefined {
  const at = scales.findIndex((bits) => !isScale(bits));
  if (at < 0) return undefined;
  const vector = Math.floor(at / TILE_ROWS);
  return { row: Math.floor(vector / spans) * TILE_ROWS + (at % TILE_ROWS), span: vector % spans };
}
