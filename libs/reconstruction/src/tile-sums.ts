import { addExactly, EXACT_SUM_DIGITS, free } from '@esparse/kernels';
import type { MatrixProducts } from '@esparse/onnx';
import { panelsOf, type Panel } from './panels.ts';
import type { Slab, Spill } from './spill.ts';

/** Two matrices over the rows of one sequence, cut into panels: f32 (rows, width of the panel) each. */
export interface PanelledRows {
  readonly rows: number;
  readonly left: readonly Float32Array[];
  readonly right: readonly Float32Array[];
}

/** Which tiles there are: all of them, or, where left and right are the same, those on and below the diagonal. */
export type TileShape = 'square' | 'lower';

/** A tile's sums, as `addExactly` keeps them: f64 (2, rows of the row panel, columns of the column panel). */
export interface SummedTile {
  readonly row: Panel;
  readonly col: Panel;
  readonly sums: Float64Array;
}

/** A tile's place, and the bytes of its sums. */
export interface TilePlace {
  /** Numbers of its panels. */
  readonly i: number;
  readonly j: number;
  readonly row: Panel;
  readonly col: Panel;
  readonly bytes: number;
}

/** The tiles of so many channels: by row, then column. */
export function tilesOf(channels: number, shape: TileShape): TilePlace[] {
  const panels = panelsOf(channels);
  return panels.flatMap((row, i) =>
    columnsOf(shape, panels, i).map((col, j) => ({
      ...{ i, j, row, col },
      bytes: 8 * EXACT_SUM_DIGITS * row.width * col.width,
    })),
  );
}

/** Products that are added at a visit of a tile: the sums are read and written once for so many of them. */
export const AT_ONCE = 4;

/** Exact sums of leftᵀ right over sequences, in tiles. */
export class TileSums {
  readonly shape: TileShape;
  readonly panels: readonly Panel[];
  /** By row, then column. */
  readonly #slabs: (Slab | undefined)[][];

  private constructor(shape: TileShape, panels: readonly Panel[], slabs: (Slab | undefined)[][]) {
    this.shape = shape;
    this.panels = panels;
    this.#slabs = slabs;
  }

  /** Sums of nothing. @throws EsparseError 'space' where there is no room for them */
  static async create(channels: number, shape: TileShape, spill: Spill): Promise<TileSums> {
    const panels = panelsOf(channels);
    const slabs: Slab[][] = panels.map(() => []);
    for (const { i, bytes } of tilesOf(channels, shape)) slabs[i]!.push(await spill.allocate(bytes));
    return new TileSums(shape, panels, slabs);
  }

  /** What the sums of so many channels take: the tiles on the diagonal are whole ones. */
  static bytes(channels: number, shape: TileShape): number {
    return tilesOf(channels, shape).reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** Whether part of them lies in the file. */
  get spilled(): boolean {
    return this.#slabs.some((row) => row.some((slab) => slab?.inMemory === false));
  }

  /** Adds sequences, each the product of its own rows: the sums do not depend on which are added together. */
  async add(sequences: readonly PanelledRows[], products: MatrixProducts): Promise<void> {
    const widest = this.panels[0]!.width;
    const room = new Float32Array(Math.min(AT_ONCE, sequences.length) * widest * widest);
    await this.#each('change', async (i, j, { row, col, sums }) => {
      const size = row.width * col.width;
      for (let first = 0; first < sequences.length; first += AT_ONCE) {
        const some = sequences.slice(first, first + AT_ONCE);
        for (const [k, { rows, left, right }] of some.entries()) {
          const sizes = { rows: row.width, inner: rows, cols: col.width };
          await products.cross(left[i]!, right[j]!, sizes, room.subarray(k * size, (k + 1) * size));
        }
        await addExactly(sums, room.subarray(0, some.length * size), some.length);
      }
    });
    free(room);
  }

  /** Adds the sums of others, which stay as they are. */
  merge(other: TileSums): Promise<void> {
    return this.#each('change', (i, j, { sums }) =>
      other.read(i, j, ({ sums: more }) => {
        for (let k = 0; k < sums.length; k++) sums[k] = sums[k]! + more[k]!;
      }),
    );
  }

  /** Shows the tile of a row panel and a column panel, which must be one that there is. */
  read<R>(row: number, col: number, work: (tile: SummedTile) => R | Promise<R>): Promise<R> {
    return this.#use('read', row, col, work);
  }

  /** Puts sums in the place of a tile's. */
  write(row: number, col: number, values: Float64Array): Promise<void> {
    return this.#use('change', row, col, ({ sums }) => {
      sums.set(values);
    });
  }

  /** Releases the room of a tile. */
  releaseTile(row: number, col: number): void {
    this.#slabs[row]![col]?.release();
    this.#slabs[row]![col] = undefined;
  }

  release(): void {
    for (const [i, row] of this.#slabs.entries()) for (const j of row.keys()) this.releaseTile(i, j);
  }

  async #each(
    access: 'read' | 'change',
    work: (row: number, col: number, tile: SummedTile) => Promise<void>,
  ): Promise<void> {
    for (let i = 0; i < this.panels.length; i++) {
      for (const j of this.#slabs[i]!.keys()) await this.#use(access, i, j, (tile) => work(i, j, tile));
    }
  }

  #use<R>(
    access: 'read' | 'change',
    i: number,
    j: number,
    work: (tile: SummedTile) => R | Promise<R>,
  ): Promise<R> {
    const [row, col] = [this.panels[i]!, this.panels[j]!];
    return this.#slabs[i]![j]!.use(access, (bytes) => work({ row, col, sums: new Float64Array(bytes) }));
  }
}

function columnsOf(shape: TileShape, panels: readonly Panel[], row: number): readonly Panel[] {
  return shape === 'square' ? panels : panels.slice(0, row + 1);
}
