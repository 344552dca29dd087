/** What reader and writer of GGUF files share: the numbers of the format. */

/** "GGUF", little-endian. */
export const MAGIC = 0x46554747;
/** Versions whose form is known; the last one is written. */
export const VERSIONS: readonly number[] = [2, 3];
/** The data begins, and each tensor's does, at a multiple of it, where the metadata names no other. */
export const DEFAULT_ALIGNMENT = 32;

/** The types of values of the metadata, by the names used here. */
export const VALUE_TYPES = { u32: 4, i32: 5, f32: 6, flag: 7, text: 8, list: 9, u64: 10 } as const;

interface NumberType {
  readonly bytes: number;
  readonly get: (view: DataView, at: number) => number;
}

/** How numbers of each type are read. 64-bit numbers are exact up to 2^53. */
export const NUMBER_TYPES: ReadonlyMap<number, NumberType> = new Map([
  [0, { bytes: 1, get: (view, at) => view.getUint8(at) }],
  [1, { bytes: 1, get: (view, at) => view.getInt8(at) }],
  [2, { bytes: 2, get: (view, at) => view.getUint16(at, true) }],
  [3, { bytes: 2, get: (view, at) => view.getInt16(at, true) }],
  [VALUE_TYPES.u32, { bytes: 4, get: (view, at) => view.getUint32(at, true) }],
  [VALUE_TYPES.i32, { bytes: 4, get: (view, at) => view.getInt32(at, true) }],
  [VALUE_TYPES.f32, { bytes: 4, get: (view, at) => view.getFloat32(at, true) }],
  [VALUE_TYPES.u64, { bytes: 8, get: (view, at) => Number(view.getBigUint64(at, true)) }],
  [11, { bytes: 8, get: (view, at) => Number(view.getBigInt64(at, true)) }],
  [12, { bytes: 8, get: (view, at) => view.getFloat64(at, true) }],
]);
