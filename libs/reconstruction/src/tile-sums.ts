import { addExactly, EXACT_SUM_DIGITS, EXACT_SUM_PART, free } from '@esparse/kernels';
import type { MatrixProducts } from '@esparse/model';
import { panelsOf, type Panel } from './panels.ts';
import type { Slab, Spill } from './spill.ts';

/** The rows of one sequence, cut into panels: f32 (rows, width of the panel) each. */
export interface PanelledRows {
  readonly rows: number;
  readonly panels: readonly Float32Array[];
}

/** A tile's sums, as `addExactly` keeps them: f64 (2, rows of the row panel, columns of the column panel). */
export interface SummedTile {
  readonly row: Panel;
  readonly col: Panel;
  readonly sums: Float64Array;
}

/** Products that are added at a visit of a tile: the sums are read and written once for so many of them. */
export const AT_ONCE = 4;

/** Exact sums of Xᵀ X over sequences: the tiles on and below the diagonal. */
export class TileSums {
  readonly panels: readonly Panel[];
  /** By row, then column. */
  readonly #slabs: Slab[][];

  private constructor(panels: readonly Panel[], slabs: Slab[][]) {
    this.panels = panels;
    this.#slabs = slabs;
  }

  /** Sums of nothing. @throws EsparseError 'space' where there is no room for them */
  static async create(channels: number, spill: Spill): Promise<TileSums> {
    const panels = panelsOf(channels);
    const slabs: Slab[][] = [];
    for (const [i, row] of panels.entries()) {
      slabs.push([]);
      for (const col of panels.slice(0, i + 1))
        slabs[i]!.push(await spill.allocate(8 * EXACT_SUM_DIGITS * row.width * col.width));
    }
    return new TileSums(panels, slabs);
  }

  /** What the sums of so many channels take: the tiles on the diagonal are whole ones. */
  static bytes(channels: number): number {
    const entries = panelsOf(channels).reduce((sum, { first, width }) => sum + width * (first + width), 0);
    return 8 * EXACT_SUM_DIGITS * entries;
  }

  /** Whether part of them lies in the file. */
  get spilled(): boolean {
    return this.#slabs.some((row) => row.some(({ inMemory }) => !inMemory));
  }

  /** Adds sequences, each the product of its own rows: the sums do not depend on which are added together. */
  async add(sequences: readonly PanelledRows[], products: MatrixProducts): Promise<void> {
    const widest = this.panels[0]!.width;
    const room = new Float32Array(Math.min(AT_ONCE, sequences.length) * widest * widest);
    await this.#each('change', async (i, j, { row, col, sums }) => {
      const size = row.width * col.width;
      for (let first = 0; first < sequences.length; first += AT_ONCE) {
        const some = sequences.slice(first, first + AT_ONCE);
        for (const [k, { rows, panels: x }] of some.entries()) {
          const sizes = { rows: row.width, inner: rows, cols: col.width };
          await products.cross(x[i]!, x[j]!, sizes, room.subarray(k * size, (k + 1) * size));
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

  /** Shows the tile of a row panel and a column panel, which comes no later. */
  read<R>(row: number, col: number, work: (tile: SummedTile) => R | Promise<R>): Promise<R> {
    return this.#use('read', row, col, work);
  }

  /** Gives the room of a row of tiles to others. */
  releaseRow(row: number): void {
    for (const slab of this.#slabs[row]!.splice(0)) slab.release();
  }

  release(): void {
    for (let row = 0; row < this.#slabs.length; row++) this.releaseRow(row);
  }

  async #each(
    access: 'read' | 'change',
    work: (row: number, col: number, tile: SummedTile) => Promise<void>,
  ): Promise<void> {
    for (let i = 0; i < this.panels.length; i++) {
      for (let j = 0; j <= i; j++) await this.#use(access, i, j, (tile) => work(i, j, tile));
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

/** An entry of a tile's sums. */
export function sumAt(sums: Float64Array, index: number): number {
  return sums[index]! + sums[sums.length / EXACT_SUM_DIGITS + index]! * EXACT_SUM_PART;
}
