import fc from 'fast-check';
import type { LawTile } from './statistic-cases.ts';

/** keep:group */
export interface LawPattern {
  readonly keep: number;
  readonly group: number;
}

/** A linear, the pattern it is pruned to, and rows of its tap. */
export interface LinearCase {
  readonly rows: number;
  readonly cols: number;
  readonly dtype: 'bf16' | 'f16';
  /** (rows, cols) */
  readonly bits: readonly number[];
  readonly pattern: LawPattern;
  /** (sequences x ROWS_EACH, cols) */
  readonly inputs: readonly number[];
  readonly sequences: number;
  /** What a mask is drawn from: (rows, cols). */
  readonly draws: readonly number[];
}

/** What a metric or a stage reads: any `StatisticReaders` of esparse. */
export type LawfulReaders = Readonly<
  Record<
    string,
    {
      readonly statistic: {
        create(channels: number, options: never): unknown;
        update(state: never, tile: LawTile): Promise<void>;
      };
      read(state: never, context: { readonly sequences: number }): Promise<unknown>;
    }
  >
>;

/** Tokens of each sequence. */
const ROWS_EACH = 4;

/** Magnitudes up to 2 in both dtypes: mostly such as weights have, and zeros, and all the others. */
const MAGNITUDES = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: 0x3800, max: 0x4000 }) },
  fc.constant(0),
  fc.integer({ min: 0, max: 0x4000 }),
);
const SIGN = 0x8000;

const INPUTS = fc.oneof(
  { weight: 4, arbitrary: fc.float({ noNaN: true, min: -4, max: 4 }) },
  fc.constantFrom(0, 100),
);

/** Linears of up to 5 rows and 3 groups, with what feeds them. */
export const linearCases: fc.Arbitrary<LinearCase> = fc
  .record({
    rows: fc.integer({ min: 1, max: 5 }),
    groups: fc.integer({ min: 1, max: 3 }),
    pattern: fc.constantFrom({ keep: 2, group: 4 }, { keep: 4, group: 8 }, { keep: 1, group: 3 }),
    sequences: fc.integer({ min: 1, max: 3 }),
  })
  .chain(({ rows, groups, pattern, sequences }) => {
    const cols = groups * pattern.group;
    const arrayOf = <T>(arbitrary: fc.Arbitrary<T>, length: number) =>
      fc.array(arbitrary, { minLength: length, maxLength: length });
    return fc.record({
      rows: fc.constant(rows),
      cols: fc.constant(cols),
      dtype: fc.constantFrom('bf16' as const, 'f16' as const),
      bits: arrayOf(
        fc.tuple(MAGNITUDES, fc.boolean()).map(([magnitude, negative]) => magnitude | (negative ? SIGN : 0)),
        rows * cols,
      ),
      pattern: fc.constant(pattern),
      inputs: arrayOf(INPUTS, sequences * ROWS_EACH * cols),
      sequences: fc.constant(sequences),
      draws: arrayOf(fc.double({ min: 0, max: 1, noNaN: true }), rows * cols),
    });
  });

/** Channels dealt to the groups one each, and ascending within each: an order that is none of the usual ones. */
export function dealtOrder({ cols, pattern: { group } }: LinearCase): Int32Array {
  const groups = cols / group;
  return Int32Array.from({ length: cols }, (_, i) => (i % group) * groups + Math.floor(i / group));
}

/** What the readers read off the case's inputs. */
export async function readingsOf(
  readers: LawfulReaders,
  { cols, inputs, sequences }: LinearCase,
): Promise<Record<string, unknown>> {
  const readings: Record<string, unknown> = {};
  for (const [name, { statistic, read }] of Object.entries(readers)) {
    const state = statistic.create(cols, {} as never) as never;
    for (let s = 0; s < sequences; s++) {
      const data = Float32Array.from(inputs.slice(s * ROWS_EACH * cols, (s + 1) * ROWS_EACH * cols));
      await statistic.update(state, { data, rows: ROWS_EACH, channels: cols, endsSequence: true });
    }
    readings[name] = await read(state, { sequences });
  }
  return readings;
}

/** A case in words: its numbers are many. */
export function showLinear({ rows, cols, dtype, pattern, sequences }: LinearCase): string {
  return `a linear of ${rows} x ${cols} ${dtype}, ${pattern.keep}:${pattern.group}, ${sequences} sequences`;
}
