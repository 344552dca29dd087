import { EsparseError } from '@esparse/errors';
import { free, sumsToMatrix } from '@esparse/kernels';
import type { MatrixProducts } from '@esparse/onnx';
import type { StatisticDevice } from '@esparse/statistics';
import type { Panel } from './panels.ts';
import type { Slab, Spill } from './spill.ts';
import type { TileSums } from './tile-sums.ts';

/** A matrix over the channels of a tap: in memory, or with parts of it in a temporary file. */
export interface TapMatrix {
  readonly channels: number;
  /** (channels). */
  readonly diagonal: Float32Array;
  /**
   * out = A M, M being this matrix, for `rows` rows: a and out are f32 (rows, channels). The bits depend on neither memory nor file. Calls must
   * not overlap.
   */
  multiply(a: Float32Array, rows: number, out: Float32Array): Promise<void>;
  /** Shows it in parts, f32 (channels, width): those of consecutive columns, in order. They are gone once `visit` has ended. */
  panels(visit: (panel: Panel, columns: Float32Array) => void | Promise<void>): Promise<void>;
  /** Some rows, in a given order: f32 (which.length, channels). */
  rows(which: Int32Array): Promise<Float32Array>;
  /** The matrix, f32 (channels, channels). @throws EsparseError 'unsupported' where it is too large to be held */
  dense(): Promise<Float32Array>;
  /** The device that has it, written, and where, row-major. @default none has */
  readonly there?: { readonly device: StatisticDevice; readonly address: number };
  /** Releases its room. */
  release(): void;
}

/** H = Xᵀ X of a tap's inputs: symmetric. */
export type Hessian = TapMatrix;

/** Channels of a matrix that is held whole at most: 1 GiB. */
const MAX_DENSE_CHANNELS = 2 ** 14;

/** Makes a matrix of sums, and releases these. */
export async function createTapMatrix(
  sums: TileSums,
  products: MatrixProducts,
  spill: Spill,
): Promise<TapMatrix> {
  const { panels } = sums;
  const last = panels.at(-1)!;
  const channels = last.first + last.width;
  const diagonal = new Float32Array(channels);
  const columns: Slab[] = [];
  for (const [j, panel] of panels.entries()) {
    const { first, width } = panel;
    const slab = await spill.allocate(4 * channels * width);
    columns.push(slab);
    await slab.use('change', async (bytes) => {
      const column = new Float32Array(bytes);
      for (let i = 0; i < panels.length; i++) await fill(column, panel, sums, i, j);
      for (let c = first; c < first + width; c++) diagonal[c] = column[c * width + c - first]!;
    });
    releaseAfter(sums, j);
  }
  return new TiledMatrix(diagonal, panels, columns, products);
}

class TiledMatrix implements TapMatrix {
  readonly channels: number;
  readonly diagonal: Float32Array;
  readonly #panels: readonly Panel[];
  /** By column panel: f32 (channels, width). A product with one is a piece of the product with the whole. */
  readonly #columns: Slab[];
  readonly #products: MatrixProducts;

  constructor(diagonal: Float32Array, panels: readonly Panel[], columns: Slab[], products: MatrixProducts) {
    this.channels = diagonal.length;
    this.diagonal = diagonal;
    this.#panels = panels;
    this.#columns = columns;
    this.#products = products;
  }

  async multiply(a: Float32Array, rows: number, out: Float32Array): Promise<void> {
    const { channels } = this;
    for (const [j, { first, width }] of this.#panels.entries()) {
      const sizes = { rows, inner: channels, cols: width };
      await this.#columns[j]!.use('read', async (bytes) => {
        const column = new Float32Array(bytes);
        if (width === channels) return this.#products.product(a, column, sizes, out);
        const piece = new Float32Array(rows * width);
        await this.#products.product(a, column, sizes, piece);
        for (let r = 0; r < rows; r++)
          out.set(piece.subarray(r * width, (r + 1) * width), r * channels + first);
        free(piece);
      });
    }
  }

  async panels(visit: (panel: Panel, columns: Float32Array) => void | Promise<void>): Promise<void> {
    for (const [j, panel] of this.#panels.entries())
      await this.#columns[j]!.use('read', (bytes) => visit(panel, new Float32Array(bytes)));
  }

  async rows(which: Int32Array): Promise<Float32Array> {
    const { channels } = this;
    const out = new Float32Array(which.length * channels);
    for (const [j, { first, width }] of this.#panels.entries()) {
      const column = this.#columns[j]!;
      const pieceAt = (i: number) => out.subarray(i * channels + first, i * channels + first + width);
      if (column.inMemory) {
        await column.use('read', (bytes) => {
          which.forEach((channel, i) => {
            pieceAt(i).set(new Float32Array(bytes, 4 * channel * width, width));
          });
        });
        continue;
      }
      await Promise.all(
        Array.from(which, (channel, i) => {
          const { byteOffset, byteLength } = pieceAt(i);
          return column.read(4 * channel * width, new Uint8Array(out.buffer, byteOffset, byteLength));
        }),
      );
    }
    return out;
  }

  async dense(): Promise<Float32Array> {
    const { channels } = this;
    if (channels > MAX_DENSE_CHANNELS) {
      throw new EsparseError(
        'unsupported',
        `the Hessian of ${channels} channels is not held whole, at most of ${MAX_DENSE_CHANNELS}`,
        { hint: 'choose a pipeline that does not need it so, such as e-sparse-reconstruct' },
      );
    }
    const matrix = new Float32Array(channels * channels);
    for (const [j, { first, width }] of this.#panels.entries()) {
      await this.#columns[j]!.use('read', (bytes) => {
        for (let r = 0; r < channels; r++)
          matrix.set(new Float32Array(bytes, 4 * r * width, width), r * channels + first);
      });
    }
    return matrix;
  }

  release(): void {
    for (const slab of this.#columns.splice(0)) slab.release();
  }
}

/** A matrix that is given whole: f32 (channels, channels). */
export function denseMatrix(matrix: Float32Array, channels: number, products: MatrixProducts): TapMatrix {
  return {
    channels,
    diagonal: Float32Array.from({ length: channels }, (_, j) => matrix[j * channels + j]!),
    multiply: (a, rows, out) => products.product(a, matrix, { rows, inner: channels, cols: channels }, out),
    panels: async (visit) => visit({ first: 0, width: channels }, matrix),
    rows(which) {
      const out = new Float32Array(which.length * channels);
      which.forEach((channel, i) => {
        out.set(matrix.subarray(channel * channels, (channel + 1) * channels), i * channels);
      });
      return Promise.resolve(out);
    },
    dense: () => Promise.resolve(matrix),
    release: () => undefined,
  };
}

/** Writes the rows of panel i into a column panel j: the tile itself, or the transpose of the one across the diagonal. */
async function fill(column: Float32Array, panel: Panel, sums: TileSums, i: number, j: number): Promise<void> {
  const { width } = panel;
  const across = sums.shape === 'lower' && i < j;
  await sums.read(across ? j : i, across ? i : j, ({ row, col, sums: tile }) => {
    const first = (across ? col : row).first * width;
    const size = { sums: tile, rows: row.width, cols: col.width };
    return sumsToMatrix(size, across, column.subarray(first, first + row.width * col.width));
  });
}

/** Releases what only the column panels up to j need. */
function releaseAfter(sums: TileSums, j: number): void {
  for (let k = 0; k < sums.panels.length; k++) {
    if (sums.shape === 'square') sums.releaseTile(k, j);
    else if (k <= j) sums.releaseTile(j, k);
  }
}
