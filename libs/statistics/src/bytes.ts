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

  byte(value: number): void {
    this.#reserve(1);
    this.#bytes[this.#length++] = value;
  }

  /** Bytes behind their length, a varint. */
  block(bytes: Uint8Array): void {
    this.varint(bytes.length);
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
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
    const grown = new Uint8Array(Math.max(2 * this.#bytes.length, this.#length + count));
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

  f32(): number {
    return this.#view.getFloat32(this.#pass(4), true);
  }

  byte(): number {
    return this.#bytes[this.#pass(1)]!;
  }

  /** A reader of the next bytes, which stand behind their length. */
  block(): ByteReader {
    const length = this.varint();
    const start = this.#pass(length);
    return new ByteReader(this.#bytes.subarray(start, start + length), this.#what);
  }

  /** Refuses anything that follows. */
  end(): void {
    const left = this.#bytes.length - this.#at;
    if (left > 0) throw damaged(this.#what, `${left} bytes are left over`);
  }

  varint(): number {
    // Most numbers are small.
    const small = this.#bytes[this.#at];
    if (small !== undefined && small < 128) {
      this.#at++;
      return small;
    }
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

  /** Where the next `count` bytes begin. */
  #pass(count: number): number {
    if (count > this.#bytes.length - this.#at) throw damaged(this.#what, 'it is cut short');
    this.#at += count;
    return this.#at - count;
  }
}
