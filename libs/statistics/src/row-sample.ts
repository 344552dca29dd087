import { defineStatistic } from './define.ts';
import { damagedState } from './envelope.ts';
import { readerOf, type StatisticReader } from './reader.ts';

/** Rows of a sample: enough for a ratio of norms over hundreds of outputs to be within some per cent. */
const SAMPLE_ROWS = 64;

/** Values of a row that its place in the sample is drawn by: all of them would take as long as the other statistics. */
const HASHED_VALUES = 16;

/** A row of activations, and the number that decides whether it is in the sample. */
interface DrawnRow {
  readonly draw: number;
  /** (channels) */
  readonly values: Float32Array;
}

interface Sample {
  /** The rows that drew the least numbers, in their order; rows that drew the same are ordered by their bits. */
  drawn: DrawnRow[];
}

/** Some rows of a tap. */
export interface RowSample {
  readonly rows: number;
  /** (rows, channels) */
  readonly data: Float32Array;
}

/**
 * Some 64 rows, drawn by a number that follows from the row itself, the least first: so the sample depends neither on the order
 * of rows nor on how they were cut into tiles and shards, and that of two merged states is that of all their rows.
 */
export const rowSample = defineStatistic<Sample>({
  name: 'row-sample',
  parameters: { rows: SAMPLE_ROWS },
  create: () => ({ drawn: [] }),
  update(state, { data, rows, channels }) {
    const words = new Uint32Array(data.buffer, data.byteOffset, data.length);
    const step = Math.max(1, Math.floor(channels / HASHED_VALUES));
    for (let row = 0; row < rows; row++) {
      const at = row * channels;
      const draw = drawOf(words, at, channels, step);
      const last = state.drawn.at(-1);
      if (state.drawn.length === SAMPLE_ROWS && draw > last!.draw) continue;
      insert(state, { draw, values: data.slice(at, at + channels) });
    }
  },
  merge(into, from) {
    for (const row of from.drawn) insert(into, row);
  },
  serialise({ drawn, channels }) {
    const body = new Uint8Array(drawn.length * (4 + 4 * channels));
    const view = new DataView(body.buffer);
    drawn.forEach(({ draw, values }, i) => {
      const at = i * (4 + 4 * channels);
      view.setUint32(at, draw, true);
      for (let c = 0; c < channels; c++) view.setFloat32(at + 4 + 4 * c, values[c]!, true);
    });
    return body;
  },
  deserialise(bytes, channels, tokens) {
    const rowBytes = 4 + 4 * channels;
    const rows = bytes.length / rowBytes;
    if (rows !== Math.min(tokens, SAMPLE_ROWS)) {
      throw damagedState('row-sample', `${bytes.length} bytes do not fit ${tokens} tokens`);
    }
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const drawn = Array.from({ length: rows }, (_, i) => ({
      draw: view.getUint32(i * rowBytes, true),
      values: Float32Array.from({ length: channels }, (_value, c) =>
        view.getFloat32(i * rowBytes + 4 + 4 * c, true),
      ),
    }));
    if (drawn.some((row, i) => i > 0 && compare(drawn[i - 1]!, row) > 0)) {
      throw damagedState('row-sample', 'its rows are out of order');
    }
    return { drawn };
  },
  cost: ({ channels }) => ({ bytes: SAMPLE_ROWS * (4 * channels + 64) }),
});

/** The rows themselves. */
export const sampledRows: StatisticReader<RowSample> = readerOf(rowSample, ({ drawn, channels }) => {
  const data = new Float32Array(drawn.length * channels);
  drawn.forEach(({ values }, i) => {
    data.set(values, i * channels);
  });
  return { rows: drawn.length, data };
});

/** Puts a row where it belongs, and lets the one go that is too many. */
function insert({ drawn }: Sample, row: DrawnRow): void {
  let [low, high] = [0, drawn.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (compare(drawn[middle]!, row) <= 0) low = middle + 1;
    else high = middle;
  }
  if (low === SAMPLE_ROWS) return;
  drawn.splice(low, 0, row);
  drawn.length = Math.min(drawn.length, SAMPLE_ROWS);
}

/** By what they drew, then by their bits: equal rows are as good as one another. */
function compare(a: DrawnRow, b: DrawnRow): number {
  if (a.draw !== b.draw) return a.draw - b.draw;
  const [bitsOfA, bitsOfB] = [bitsOf(a.values), bitsOf(b.values)];
  for (let c = 0; c < bitsOfA.length; c++) {
    if (bitsOfA[c] !== bitsOfB[c]) return bitsOfA[c]! - bitsOfB[c]!;
  }
  return 0;
}

function bitsOf({ buffer, byteOffset, length }: Float32Array): Uint32Array {
  return new Uint32Array(buffer, byteOffset, length);
}

/** A number from 0 to 2^32 - 1 that looks random, of the bits of some values of a row (the mixing of MurmurHash3). */
function drawOf(words: Uint32Array, at: number, channels: number, step: number): number {
  let hash = channels;
  for (let c = 0; c < channels; c += step) {
    let word = Math.imul(words[at + c]!, 0xcc9e2d51);
    word = Math.imul((word << 15) | (word >>> 17), 0x1b873593);
    hash ^= word;
    hash = (Math.imul((hash << 13) | (hash >>> 19), 5) + 0xe6546b64) | 0;
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
