import { MAX_LEVEL, type Numbers } from '@esparse/report-page';

const TYPES = { Uint8Array: 'u8', Uint16Array: 'u16', Int32Array: 'i32', Float32Array: 'f32' } as const;

/** Collects numbers for the page, one array behind the other. */
export class Attachment {
  readonly #parts: Uint8Array[] = [];
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Keeps the numbers as they are. */
  add(numbers: Uint8Array | Uint16Array | Int32Array | Float32Array): Numbers {
    return { ...this.#append(numbers), as: TYPES[numbers[Symbol.toStringTag]] };
  }

  /** Keeps a permutation, in 16 bits where they hold it. */
  addOrder(permutation: Int32Array): Numbers {
    return this.add(permutation.length <= 0x10000 ? Uint16Array.from(permutation) : permutation);
  }

  /** Keeps numbers that spread evenly to 1/65535 of their range. */
  addLevels(numbers: Float32Array): Numbers {
    const [low, high] = rangeOf(numbers);
    const step = high > low ? (high - low) / MAX_LEVEL : 1;
    const levels = Uint16Array.from(numbers, (value) => Math.round((value - low) / step));
    return { ...this.#append(levels), as: 'levels', low, high, log: false };
  }

  /** Keeps numbers that are not negative and spread over powers of ten, zeros exactly and the others to some 0.01 %. */
  addLogLevels(numbers: Float32Array): Numbers {
    const [low, high] = rangeOf(numbers.filter((value) => value > 0).map(Math.log));
    const step = high > low ? (high - low) / (MAX_LEVEL - 1) : 1;
    const levels = Uint16Array.from(numbers, (value) =>
      value > 0 ? 1 + Math.round((Math.log(value) - low) / step) : 0,
    );
    return { ...this.#append(levels), as: 'levels', low, high, log: true };
  }

  bytes(): Uint8Array {
    const out = new Uint8Array(this.#size);
    let at = 0;
    for (const part of this.#parts) {
      out.set(part, at);
      at += part.length;
    }
    return out;
  }

  /** Every array begins where any type of numbers may. */
  #append({ buffer, byteOffset, byteLength, length }: Uint8Array | Uint16Array | Int32Array | Float32Array) {
    const at = this.#size;
    const padded = new Uint8Array(Math.ceil(byteLength / 4) * 4);
    padded.set(new Uint8Array(buffer, byteOffset, byteLength));
    this.#parts.push(padded);
    this.#size += padded.length;
    return { at, length };
  }
}

function rangeOf(numbers: Float32Array): [low: number, high: number] {
  let [low, high] = [Infinity, -Infinity];
  for (const value of numbers) {
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  return low <= high ? [low, high] : [0, 0];
}
