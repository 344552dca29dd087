import fc from 'fast-check';

/** A piece of a tap's activations: f32 (rows, channels), row-major. */
export interface LawTile {
  readonly data: Float32Array;
  readonly rows: number;
  readonly channels: number;
  readonly endsSequence?: boolean;
}

type Row = readonly number[];

/** Some sequences of rows, an order of them, a way to cut that order into shards, and each sequence into tiles. */
export interface StatisticCase {
  readonly channels: number;
  readonly sequences: readonly (readonly Row[])[];
  readonly order: readonly number[];
  readonly cuts: readonly number[];
  readonly rowsEach: number;
}

/**
 * Cases of a statistic.
 *
 * @param longest - Rows of a sequence at most: 1 lets every row go anywhere.
 */
export function statisticCases(values: fc.Arbitrary<number>, longest: number): fc.Arbitrary<StatisticCase> {
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
      });
    });
}

/** The tiles of all sequences as they come. */
export function wholeOf({ sequences, channels }: StatisticCase): LawTile[] {
  return sequences.map((rows) => tileOf(rows, channels, true));
}

/** The shards of a case: its sequences in its order, cut where it says; some may be empty. Each is a list of tiles. */
export function shardsOf(example: StatisticCase): LawTile[][] {
  const { sequences, order, cuts } = example;
  const ends = [...cuts].sort((a, b) => a - b).concat(sequences.length);
  return ends.map((end, i) =>
    order.slice(i === 0 ? 0 : ends[i - 1], end).flatMap((index) => tilesOf(sequences[index]!, example)),
  );
}

function tilesOf(rows: readonly Row[], { channels, rowsEach }: StatisticCase): LawTile[] {
  const tiles: LawTile[] = [];
  for (let first = 0; first < rows.length; first += rowsEach) {
    tiles.push(tileOf(rows.slice(first, first + rowsEach), channels, first + rowsEach >= rows.length));
  }
  return tiles;
}

function tileOf(rows: readonly Row[], channels: number, endsSequence: boolean): LawTile {
  return { data: Float32Array.from(rows.flat()), rows: rows.length, channels, endsSequence };
}
