import { defineStatistic } from './define.ts';
import { compareRows, insertRow, lastDraw, SAMPLE_ROWS, type Sample } from './drawn-rows.ts';
import { damagedState } from './envelope.ts';
import { readerOf, type StatisticReader } from './reader.ts';
import { rowSampleOnDevice } from './row-sample-device.ts';

/**
 * Values of a row that its place in the sample is drawn by, the first ones that are not 0: all of them would take as long as the
 * other statistics, and behind a ReLU many rows begin with zeros alone.
 */
const HASHED_VALUES = 8;

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
  version: 2,
  parameters: { rows: SAMPLE_ROWS },
  create: () => ({ drawn: [] }),
  update(state, { data, rows, channels }) {
    // Signed: of the unsigned ones every other would be a number that V8 keeps on its heap.
    const words = new Int32Array(data.buffer, data.byteOffset, data.length);
    let last = lastDraw(state);
    for (let row = 0; row < rows; row++) {
      const at = row * channels;
      const draw = drawOf(words, at, channels);
      if (draw > last) continue;
      insertRow(state, { draw, values: data.slice(at, at + channels) });
      last = lastDraw(state);
    }
  },
  merge(into, from) {
    for (const row of from.drawn) insertRow(into, row);
  },
  serialise({ drawn, channels }) {
    const rowBytes = 4 + 4 * channels;
    const body = new Uint8Array(drawn.length * rowBytes);
    drawn.forEach(({ draw, values }, i) => {
      // A copy of all at once: to write each number takes ten times as long.
      body.set(new Uint8Array(Uint32Array.of(draw).buffer), i * rowBytes);
      body.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), i * rowBytes + 4);
    });
    return body;
  },
  deserialise(bytes, channels, tokens) {
    const rowBytes = 4 + 4 * channels;
    const rows = bytes.length / rowBytes;
    if (rows !== Math.min(tokens, SAMPLE_ROWS)) {
      throw damagedState('row-sample', `${bytes.length} bytes do not fit ${tokens} tokens`);
    }
    const drawn = Array.from({ length: rows }, (_, i) => {
      // A copy, which `slice` of Node's buffers would not make.
      const { buffer } = new Uint8Array(bytes.subarray(i * rowBytes, (i + 1) * rowBytes));
      return { draw: new Uint32Array(buffer, 0, 1)[0]!, values: new Float32Array(buffer, 4, channels) };
    });
    if (drawn.some((row, i) => i > 0 && compareRows(drawn[i - 1]!, row) > 0)) {
      throw damagedState('row-sample', 'its rows are out of order');
    }
    return { drawn };
  },
  onDevice: rowSampleOnDevice,
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

/** A number from 0 to 2^32 - 1 that looks random, of the bits of some values of a row (the mixing of MurmurHash3). */
function drawOf(words: Int32Array, at: number, channels: number): number {
  let hash = channels;
  for (let c = at, left = HASHED_VALUES; c < at + channels && left > 0; c++) {
    if (words[c] === 0) continue;
    left--;
    let word = Math.imul(words[c]!, 0xcc9e2d51);
    word = Math.imul((word << 15) | (word >>> 17), 0x1b873593);
    hash ^= word;
    hash = (Math.imul((hash << 13) | (hash >>> 19), 5) + 0xe6546b64) | 0;
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
