import fc from 'fast-check';

/** A piece of a tap's activations: f32 (rows, channels), row-major. */
export interface LawTile {
  readonly data: Float32Array;
  readonly rows: number;
  readonly channels: number;
  readonly endsSequence?: boolean;
  /** The same rows in the dense model, for a statistic that needs them. */
  readonly dense?: Float32Array;
}

type Row = readonly number[];

/** Some sequences of rows, an order of them, a way to cut that order into shards, and each sequence into tiles. */
export interface StatisticCase {
  readonly channels: number;
  readonly sequences: readonly (readonly Row[])[];
  readonly order: readonly number[];
  readonly cuts: readonly number[];
  readonly rowsEach: number;
  /** Whether tiles have the dense model's rows. */
  readonly needsDense?: boolean | undefined;
}

/**
 * Cases of a statistic.
 *
 * @param longest - Rows of a sequence at most: 1 lets every row go anywhere.
 * @param needsDense - Whether tiles have the dense model's rows.
 */
export function statisticCases(
  values: fc.Arbitrary<number>,
  longest: number,
  needsDense: boolean,
): fc.Arbitrary<StatisticCase> {
  return fc
    .record({ channels: fc.integer({ min: 1, max: 6 }), count: fc.integer({ min: 1, max: 24 }) })
    .chain(({ channels, count }) => {
      const row = fc.array(values, { minLength: channels, maxLength: channels });
      return fc.record({
        channels: fc.constant(channels),
        sequences: fc.array(fc.array(row, { minLength: 1, maxLength: longest }), {
          minLength: count,
          maxLength: count,
        }),
        order: fc.shuffledSubarray([...Array(count).keys()], { minLength: count }),
        cuts: fc.array(fc.nat(count), { maxLength: 5 }),
        rowsEach: fc.integer({ min: 1, max: longest }),
        ...(needsDense && { needsDense: fc.constant(true) }),
      });
    });
}

/** The tiles of all sequences as they come. */
export function wholeOf({ sequences, channels, needsDense }: StatisticCase): LawTile[] {
  return sequences.map((rows) => tileOf(rows, { channels, needsDense }, true));
}

/** The shards of a case: its sequences in its order, cut where it says; some may be empty. Each is a list of tiles. */
export function shardsOf(example: StatisticCase): LawTile[][] {
  const { sequences, order, cuts } = example;
  const ends = [...cuts].sort((a, b) => a - b).concat(sequences.length);
  return ends.map((end, i) =>
    order.slice(i === 0 ? 0 : ends[i - 1], end).flatMap((index) => tilesOf(sequences[index]!, example)),
  );
}

function tilesOf(rows: readonly Row[], { channels, needsDense, rowsEach }: StatisticCase): LawTile[] {
  const tiles: LawTile[] = [];
  for (let first = 0; first < rows.length; first += rowsEach) {
    tiles.push(
      tileOf(rows.slice(first, first + rowsEach), { channels, needsDense }, first + rowsEach >= rows.length),
    );
  }
  return tiles;
}

function tileOf(
  rows: readonly Row[],
  { channels, needsDense }: Pick<StatisticCase, 'channels' | 'needsDense'>,
  endsSequence: boolean,
): LawTile {
  const data = Float32Array.from(rows.flat());
  const tile = { data, rows: rows.length, channels, endsSequence };
  if (needsDense !== true) return tile;
  // Of a row by itself, however rows are cut into tiles.
  return { ...tile, dense: data.map((value, i) => value * (1 + (i % channels) / 8)) };
}
