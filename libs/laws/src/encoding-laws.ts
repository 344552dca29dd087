import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { everyCase, must, type LawOptions } from './every-case.ts';
import type { LawPattern } from './linear-cases.ts';
import { maskBytes, maskOfLargest } from './masks.ts';

type Arrays = Readonly<Record<string, Uint8Array | Uint16Array | Int32Array>>;

interface Shape {
  readonly rows: number;
  readonly cols: number;
  readonly pattern: LawPattern;
  readonly each: number;
}

interface Survivors {
  readonly values: Float32Array;
  readonly positions: Int32Array;
}

/** What the laws need of an encoding: any `defineEncoding` of esparse is one. */
export interface LawfulEncoding {
  readonly name: string;
  arrays(
    shape: Shape,
  ): Readonly<
    Record<string, { readonly type: 'uint8' | 'uint16' | 'int32'; readonly shape: readonly number[] }>
  >;
  encode(survivors: Shape & Survivors): Arrays;
  decode(shape: Shape, arrays: Arrays): Survivors;
}

/** See `encodingLaws`. */
export interface EncodingLawOptions extends LawOptions {
  /** Patterns that are tried, for an encoding that does not take all. @default 2:4, 4:8 and 1:3 */
  readonly patterns?: readonly LawPattern[];
  /** Part of the largest weight of a linear that one may change by, at most. @default 1 */
  readonly rounding?: number;
}

interface EncodingCase extends Shape {
  readonly weights: readonly number[];
  readonly draws: readonly number[];
  readonly noise: readonly number[];
}

const PATTERNS: readonly LawPattern[] = [
  { keep: 2, group: 4 },
  { keep: 4, group: 8 },
  { keep: 1, group: 3 },
];
const TYPES = { uint8: 'Uint8Array', uint16: 'Uint16Array', int32: 'Int32Array' } as const;
const MAKERS = {
  uint8: (values: number[]) => Uint8Array.from(values),
  uint16: (values: number[]) => Uint16Array.from(values),
  int32: (values: number[]) => Int32Array.from(values),
};
/** As weights are, zeros, and some that are far larger than all others. */
const WEIGHTS = fc.oneof(
  { weight: 6, arbitrary: fc.float({ noNaN: true, min: -2, max: 2 }) },
  fc.constantFrom(0, 1000, -1e-30),
);

/**
 * Checks the laws of an encoding on drawn survivors: its arrays are of the sizes and types that it says, the same survivors give
 * the same bytes and stay as they are, positions come back as they were and weights finite, near what they were, and arrays of any
 * other bytes are refused or give as many survivors, which is all that guards a reader of a damaged store.
 *
 * @throws Error that names encoding, law and a linear that breaks it
 */
export async function encodingLaws(
  encoding: LawfulEncoding,
  { patterns = PATTERNS, rounding = 1, ...options }: EncodingLawOptions = {},
): Promise<void> {
  const check = (example: EncodingCase): Promise<void> => {
    const { rows, cols, pattern, each } = example;
    const shape = { rows, cols, pattern, each };
    const { values, positions } = survivorsIn(example);
    const declared = encoding.arrays(shape);
    must(isDeepStrictEqual(encoding.arrays(shape), declared), 'the same shape has other arrays');
    must('values' in declared, 'none of its arrays is called values');
    const input = { ...shape, values: values.slice(), positions: positions.slice() };
    const arrays = copyOf(encoding.encode(input));
    must(isDeepStrictEqual(input, { ...shape, values, positions }), 'its input is changed');
    checkArrays(arrays, declared);
    must(isDeepStrictEqual(copyOf(encoding.encode(input)), arrays), 'the same survivors give other bytes');
    const read = encoding.decode(shape, copyOf(arrays));
    must(isDeepStrictEqual(Array.from(read.positions), Array.from(positions)), 'positions do not come back');
    checkValues(values, read.values, rounding);
    checkDamaged(encoding, shape, declared, example.noise);
    return Promise.resolve();
  };
  const show = ({ rows, cols, pattern }: EncodingCase) =>
    `a linear of ${rows} x ${cols}, ${pattern.keep}:${pattern.group}`;
  await everyCase(`encoding ${encoding.name}`, casesOf(patterns), check, show, options);
}

function casesOf(patterns: readonly LawPattern[]): fc.Arbitrary<EncodingCase> {
  return fc
    .record({
      rows: fc.integer({ min: 1, max: 20 }),
      groups: fc.integer({ min: 1, max: 40 }),
      pattern: fc.constantFrom(...patterns),
    })
    .chain(({ rows, groups, pattern }) => {
      const cols = groups * pattern.group;
      const arrayOf = <T>(arbitrary: fc.Arbitrary<T>, length: number) =>
        fc.array(arbitrary, { minLength: length, maxLength: length });
      return fc.record({
        ...{ rows: fc.constant(rows), cols: fc.constant(cols), pattern: fc.constant(pattern) },
        each: fc.constant(groups * pattern.keep),
        weights: arrayOf(WEIGHTS, rows * cols),
        draws: arrayOf(fc.double({ min: 0, max: 1, noNaN: true }), rows * cols),
        noise: arrayOf(fc.integer({ min: 0, max: 0xffff }), 16),
      });
    });
}

function survivorsIn({ rows, cols, pattern, each, weights, draws }: EncodingCase): Survivors {
  const mask = maskOfLargest(draws, rows, cols, pattern);
  const values = new Float32Array(rows * each);
  const positions = new Int32Array(rows * each);
  let n = 0;
  for (let row = 0; row < rows; row++) {
    for (let i = 0; i < cols; i++) {
      if (((mask[row * maskBytes(cols) + (i >> 3)]! >> (i & 7)) & 1) === 0) continue;
      values[n] = weights[row * cols + i]!;
      positions[n++] = i;
    }
  }
  return { values, positions };
}

/** In memory of their own: an encoding may use the same again. */
function copyOf(arrays: Arrays): Arrays {
  return Object.fromEntries(Object.entries(arrays).map(([name, array]) => [name, array.slice()]));
}

function checkArrays(arrays: Arrays, declared: ReturnType<LawfulEncoding['arrays']>): void {
  for (const [name, { type, shape }] of Object.entries(declared)) {
    const array = (arrays as Partial<Arrays>)[name];
    const length = shape.reduce((product, size) => product * size, 1);
    must(array !== undefined, `it makes no array ${name}`);
    must(array.constructor.name === TYPES[type], `${name} is no ${TYPES[type]}`);
    must(array.length === length, `${name} has ${array.length} elements, and said ${length}`);
  }
}

function checkValues(values: Float32Array, read: Float32Array, rounding: number): void {
  must(read.length === values.length, `${read.length} weights come back of ${values.length}`);
  const most = values.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0);
  for (let i = 0; i < values.length; i++) {
    must(Number.isFinite(read[i]!), `weight ${i} comes back as ${read[i]!}`);
    const change = Math.abs(read[i]! - values[i]!);
    must(
      change <= rounding * most + Number.EPSILON,
      `weight ${i} comes back as ${read[i]!}, not ${values[i]!}`,
    );
  }
}

/** What a damaged store may hold. */
function checkDamaged(
  encoding: LawfulEncoding,
  shape: Shape,
  declared: ReturnType<LawfulEncoding['arrays']>,
  noise: readonly number[],
): void {
  const arrays = Object.entries(declared).map(([name, { type, shape: sizes }]) => {
    const length = sizes.reduce((product, size) => product * size, 1);
    const values = Array.from({ length }, (_, i) => noise[i % noise.length]! * (1 + (i % 7)));
    return [name, MAKERS[type](values)] as const;
  });
  let read: Survivors;
  try {
    read = encoding.decode(shape, Object.fromEntries(arrays));
  } catch {
    return;
  }
  const expected = shape.rows * shape.each;
  must(
    read.values.length === expected && read.positions.length === expected,
    'of damaged arrays it reads another number of survivors',
  );
}
