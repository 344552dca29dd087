import { damaged } from './frame.ts';

const FIRST_CAPACITY = 2 ** 16;

/** A growing buffer of little-endian numbers. */
export class ByteWriter {
  #bytes = new Uint8Array(FIRST_CAPACITY);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;

  f32(value: number): void {
    this.#reserve(4);
    this.#view.setFloat32(this.#length, value, true);
    this.#length += 4;
  }

  /** A u32 in 7 bits a byte, the lowest first, the top bit set on all but the last (LEB128). */
  varint(value: number): void {
    this.#reserve(5);
    let rest = value;
    while (rest > 127) {
      this.#bytes[this.#length++] = (rest & 127) | 128;
      rest >>>= 7;
    }
    this.#bytes[this.#length++] = rest;
  }

  /** What was written. */
  take(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  #reserve(count: number): void {
    if (this.#length + count <= this.#bytes.length) return;
    const grown = new Uint8Array(2 * this.#bytes.length);
    grown.set(this.#bytes);
    this.#bytes = grown;
    this.#view = new DataView(grown.buffer);
  }
}

/** Reads what `ByteWriter` wrote, and nothing else: every number has one form. */
export class ByteReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #what: string;
  #at = 0;

  constructor(bytes: Uint8Array, what: string) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#what = what;
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  f32(): number {
    if (this.left < 4) throw damaged(this.#what, 'it is cut short');
    this.#at += 4;
    return this.#view.getFloat32(this.#at - 4, true);
  }

  varint(): number {
    let value = 0;
    for (let scale = 1; scale <= 2 ** 28; scale *= 128) {
      const byte = this.#bytes[this.#at++];
      if (byte === undefined) throw damaged(this.#what, 'it is cut short');
      value += (byte & 127) * scale;
      if (byte < 128) {
        if ((byte === 0 && scale > 1) || value >= 2 ** 32) break;
        return value;
      }
    }
    throw damaged(this.#what, 'a number in it is not in its one form');
  }
}
