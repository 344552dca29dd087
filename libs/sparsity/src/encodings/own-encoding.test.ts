import { uniform } from '@esparse/laws';
import { identityOrder, maskLinear } from '../index.ts';
import { defineEncoding, type EncodingDefinition, type OwnEncoding } from './define-encoding.ts';
import { encodingNamed, encodingOf, isPacked, ownPositions, registerEncoding } from './index.ts';
import { decodeLinear, encodeLinear, ownArrays, survivorShape, type OwnLinear } from './own-linear.ts';

const [ROWS, COLS] = [5, 24];
const pattern = { keep: 2, group: 4 };

/** Bytes of weights from -1 to 1, beside positions in their groups. */
const bytes: EncodingDefinition = {
  name: 'bytes',
  values: 'bytes',
  arrays: ({ rows, each }) => ({
    values: { type: 'uint8', shape: [rows, each] },
    places: { type: 'uint8', shape: [rows, each] },
  }),
  encode: ({ values, positions }) => ({
    values: Uint8Array.from(values, (value) => Math.round(value * 127) + 128),
    places: Uint8Array.from(positions, (position) => position % 4),
  }),
  decode: ({ each }, { values, places }) => ({
    values: Float32Array.from(values!, (byte) => (byte - 128) / 127),
    positions: Int32Array.from(places!, (place, at) => 4 * Math.floor((at % each) / 2) + place),
  }),
};

async function problem() {
  const random = uniform(3);
  const weights = Float32Array.from({ length: ROWS * COLS }, () => 2 * random() - 1);
  const permutation = identityOrder(COLS).reverse();
  const scores = weights.map(Math.abs);
  const mask = await maskLinear({ scores, rows: ROWS, cols: COLS }, permutation, pattern);
  return { linear: { weights, rows: ROWS, cols: COLS }, survivors: { pattern, permutation, mask } };
}

const own = defineEncoding(bytes);
registerEncoding(own);

test('what survives comes back in its place, by every door that readers use', async () => {
  const { linear, survivors } = await problem();
  const stored = encodeLinear(own, linear, survivors);
  const encoding = encodingOf(stored);
  const attributes = encoding.describe(stored);
  expect(attributes).toEqual({ encoding: 'x-bytes', rows: ROWS, cols: COLS, keep: 2, group: 4 });
  expect(encodingNamed('x-bytes')!.attributes.safeParse(attributes).success).toBe(true);
  expect(isPacked(stored)).toBe(false);
  expect(encoding.values(attributes)).toBe('bytes');

  const again = encoding.linear(attributes, encoding.data(stored));
  expect(again).toEqual(stored);
  const dense = await encoding.unpackToF32(again);
  const kept = (await encoding.kept(again))!;
  linear.weights.forEach((weight, at) => {
    expect(dense[at]).toBeCloseTo(kept[at] === 1 ? weight : 0, 2);
  });
  expect(kept.reduce((sum, one) => sum + one, 0)).toBe((ROWS * COLS) / 2);
  expect(encoding.weights(again)).toEqual({
    ...{ kind: 'dense', dtype: 'f32', rows: ROWS, cols: COLS, weights: dense },
  });
  expect(ownPositions(stored)).toHaveLength((ROWS * COLS) / 2);
  expect(Object.keys(encoding.arrays(attributes))).toEqual(['values', 'places', 'permutation']);
});

test('what a damaged store may hold is refused, and says where', async () => {
  const { linear, survivors } = await problem();
  const good = encodeLinear(own, linear, survivors);
  const refused = (part: Partial<OwnLinear>, message: string, kind = 'store') => {
    expect(() => decodeLinear(own, { ...good, ...part })).toThrow(
      expect.objectContaining({ kind, message: expect.stringContaining(message) }),
    );
  };
  const arrays = (name: string, array: Uint8Array) => ({ arrays: { ...good.arrays, [name]: array } });
  refused(arrays('values', new Uint8Array(3)), 'values has 3 elements');
  refused({ arrays: { values: good.arrays.values! } }, 'places has 0 elements');
  // Row 1, group 2: twice the same position.
  refused(
    arrays('places', (good.arrays.places as Uint8Array).slice().fill(1, 12 + 4, 12 + 6)),
    'the positions of row 1, group 2 are no choice of 2:4',
  );
  refused({ permutation: new Int32Array(COLS) }, 'permutation');
  refused({ cols: 22 }, 'not a multiple', 'unsupported');
  refused({ pattern: { keep: 4, group: 4 } }, 'no pattern');
  refused({ rows: 0 }, 'sizes go from 1');
});

test.each<[string, Partial<EncodingDefinition>, string]>([
  ['another size', { encode: () => ({ values: new Uint8Array(1), places: new Uint8Array(1) }) }, 'usage'],
  ['none at all', { encode: () => ({}) }, 'usage'],
  ['no values', { arrays: () => ({ other: { type: 'uint8', shape: [1] } }) }, 'usage'],
  [
    'the name of the order',
    {
      arrays: () => ({
        ...bytes.arrays(survivorShape(ROWS, COLS, pattern)),
        permutation: { type: 'int32', shape: [COLS] },
      }),
    },
    'usage',
  ],
  ['a shape that is none', { arrays: () => ({ values: { type: 'uint8', shape: [-1] } }) }, 'usage'],
])('an encoding that gives arrays of %s is refused', async (_, part, kind) => {
  const { linear, survivors } = await problem();
  const wrong = defineEncoding({ ...bytes, ...part });
  expect(() => encodeLinear(wrong, linear, survivors)).toThrow(expect.objectContaining({ kind }));
});

test('weights that are not finite are refused on both ways, and errors of the encoding’s own become those of the store', async () => {
  const { linear, survivors } = await problem();
  const infinite = { ...linear, weights: linear.weights.map(() => Infinity) };
  expect(() => encodeLinear(own, infinite, survivors)).toThrow(expect.objectContaining({ kind: 'numeric' }));
  const stored = encodeLinear(own, linear, survivors);
  const reading = (decode: EncodingDefinition['decode']): OwnEncoding => defineEncoding({ ...bytes, decode });
  const nan = reading((shape, arrays) => ({
    ...bytes.decode(shape, arrays),
    values: new Float32Array(ROWS * 12).fill(NaN),
  }));
  expect(() => decodeLinear(nan, stored)).toThrow(
    expect.objectContaining({ kind: 'store', message: expect.stringContaining('NaN') }),
  );
  const throwing = reading(() => {
    throw new RangeError('mine');
  });
  expect(() => decodeLinear(throwing, stored)).toThrow(
    expect.objectContaining({ kind: 'store', message: expect.stringContaining('mine') }),
  );
  const short = reading(() => ({ values: new Float32Array(1), positions: new Int32Array(1) }));
  expect(() => decodeLinear(short, stored)).toThrow(expect.objectContaining({ kind: 'store' }));
});

test('names are checked, and known once: the same encoding may be registered again, another of its name not', () => {
  for (const name of ['', 'Bytes', 'x_y', '-a', 'a'.repeat(70)])
    expect(() => defineEncoding({ ...bytes, name })).toThrow(expect.objectContaining({ kind: 'usage' }));
  expect(() => defineEncoding({ ...bytes, values: '' })).toThrow('in a word');
  registerEncoding(own);
  expect(() => {
    registerEncoding(defineEncoding(bytes));
  }).toThrow('two encodings called bytes');
  expect(encodingNamed('x-none')).toBeUndefined();
  expect(ownArrays(own, survivorShape(1, 4, pattern)).values).toEqual({ type: 'uint8', shape: [1, 2] });
});
