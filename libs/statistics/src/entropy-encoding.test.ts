import { entropyCount, entropyHistograms, entropyUpdate, type EntropyHistograms } from '@esparse/kernels';
import {
  decodeHistograms,
  decodeHistogramsReference,
  encodeHistograms,
  encodeHistogramsReference,
} from './entropy-encoding.ts';

/** More than two stripes of the kernel, and not a whole number. */
const CHANNELS = 150;
const ROWS = 300;

let seed = 1;
const random = () => (seed = (seed * 48271) % 2147483647) / 2147483647;

/** Channels of every kind: spread, with outliers, of one sign, of few values, constant, zero. */
const KINDS: readonly (() => number)[] = [
  () => random() + random() + random() - 1.5,
  () => (random() < 0.01 ? 4000 * random() : random() - 0.5) * 1e-3,
  () => -random(),
  () => Math.floor(3 * random()) - 1,
  () => 0.1,
  () => 0,
  () => Math.max(0, random() - 0.7),
  () => 1e30 * (random() - 0.5),
];

async function histogramsOf(rows: number): Promise<EntropyHistograms> {
  const state = entropyHistograms(CHANNELS);
  const tile = Float32Array.from({ length: rows * CHANNELS }, (_, i) =>
    KINDS[(i % CHANNELS) % KINDS.length]!(),
  );
  expect(await entropyUpdate(state, tile, rows, CHANNELS)).toBe(-1);
  entropyCount(state);
  return state;
}

const readable = ({ ranges, zeros, bins, counted }: EntropyHistograms) => ({ ranges, zeros, bins, counted });
const created = (): EntropyHistograms => ({ ...entropyHistograms(CHANNELS), counted: ROWS });

test('the kernel writes the bytes of the readable version, and reads what was written', async () => {
  const state = await histogramsOf(ROWS);
  const bytes = encodeHistograms(state, ROWS);
  expect(Buffer.from(bytes).equals(encodeHistogramsReference(state))).toBe(true);
  const decoded = decodeHistograms(bytes, CHANNELS, ROWS, () => entropyHistograms(CHANNELS));
  expect(readable(decoded)).toEqual(readable(state));
  expect(readable(decodeHistogramsReference(bytes, ROWS, created()))).toEqual(readable(state));
});

test('damaged bytes are refused by both or mean the same to both', async () => {
  const bytes = encodeHistograms(await histogramsOf(ROWS), ROWS);
  const outcome = (read: () => EntropyHistograms) => {
    try {
      return readable(read());
    } catch (error) {
      return (error as Error).message;
    }
  };
  let refused = 0;
  for (let i = 0; i < 150; i++) {
    const hostile = bytes.slice(0, i % 5 === 0 ? Math.floor(bytes.length * random()) : bytes.length);
    hostile[Math.floor(hostile.length * random())]! ^= 1 << Math.floor(8 * random());
    const ours = outcome(() => decodeHistograms(hostile, CHANNELS, ROWS, () => entropyHistograms(CHANNELS)));
    const theirs = outcome(() => decodeHistogramsReference(hostile, ROWS, created()));
    if (typeof ours === 'string') refused++;
    // Bytes that are too few are refused before they are read.
    else expect(ours).toEqual(theirs);
    if (typeof theirs === 'string') expect(typeof ours).toBe('string');
  }
  expect(refused).toBeGreaterThan(50);
});

test('no tokens are no bytes', () => {
  expect(encodeHistograms(entropyHistograms(CHANNELS), 0)).toHaveLength(0);
});
