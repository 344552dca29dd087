import { encodingLaws, type LawfulEncoding } from './index.ts';

/** Survivors as they are: 32 bits of each weight, and of its position. */
const plain: LawfulEncoding = {
  name: 'plain',
  arrays: ({ rows, each }) => ({
    values: { type: 'int32', shape: [rows, each] },
    positions: { type: 'int32', shape: [rows, each] },
  }),
  encode: ({ values, positions }) => ({ values: new Int32Array(values.slice().buffer), positions }),
  decode: (_, { values, positions }) => ({
    values: new Float32Array((values as Int32Array).slice().buffer),
    positions: positions as Int32Array,
  }),
};

test('an encoding that keeps the laws passes, to the last bit', async () => {
  await encodingLaws(plain, { rounding: 0 });
});

let calls = 0;

test.each<[string, Partial<LawfulEncoding>]>([
  ['none of its arrays is called values', { arrays: () => ({}) }],
  ['it makes no array positions', { encode: ({ values }) => ({ values: new Int32Array(values.length) }) }],
  ['values is no Int32Array', { encode: ({ positions }) => ({ values: new Uint8Array(1), positions }) }],
  ['values has 0 elements', { encode: ({ positions }) => ({ values: new Int32Array(0), positions }) }],
  [
    'the same survivors give other bytes',
    { encode: (given) => ({ ...plain.encode(given), positions: given.positions.map((i) => i + calls++) }) },
  ],
  [
    'its input is changed',
    {
      encode(given) {
        given.values.fill(7);
        return plain.encode(given);
      },
    },
  ],
  [
    'positions do not come back',
    { decode: (shape, arrays) => ({ ...plain.decode(shape, arrays), positions: new Int32Array(1) }) },
  ],
  [
    'comes back as NaN',
    {
      decode: (shape, arrays) => {
        const { values, positions } = plain.decode(shape, arrays);
        return { values: values.map(() => NaN), positions };
      },
    },
  ],
  [
    'comes back as',
    {
      decode: (shape, arrays) => {
        const { values, positions } = plain.decode(shape, arrays);
        return { values: values.map((value) => value + 2000), positions };
      },
    },
  ],
])('an encoding that breaks a law is refused: %s', async (law, part) => {
  await expect(encodingLaws({ ...plain, ...part })).rejects.toThrow(
    expect.objectContaining({ message: expect.stringMatching(new RegExp(`^encoding plain: .*${law}`)) }),
  );
});

test('patterns that an encoding does not take are left out where it says so', async () => {
  const only: LawfulEncoding = {
    ...plain,
    arrays(shape) {
      if (shape.pattern.group !== 4) throw new Error('2:4 alone');
      return plain.arrays(shape);
    },
  };
  await expect(encodingLaws(only)).rejects.toThrow('2:4 alone');
  await encodingLaws(only, { patterns: [{ keep: 2, group: 4 }] });
});
