import { EXACT_SUM_DIGITS } from '@esparse/kernels';
import type { MatrixProducts } from '@esparse/onnx';
import { heldCopy, type HeldCopy, type StatisticDevice } from '@esparse/statistics';
import { devicePanels, type DevicePanel } from './device-panels.ts';
import { deviceMatrix } from './device-matrix.ts';
import { PANEL } from './panels.ts';
import type { Spill } from './spill.ts';
import type { TapMatrix } from './tap-matrix.ts';
import { TileSums, tilesOf, type TileShape } from './tile-sums.ts';

/** Threads of a block of the kernels. */
const THREADS = 256;

/** Exact sums of products that lie in the memory of this process's own device. */
export class HeldSums {
  readonly #device: StatisticDevice;
  readonly #channels: number;
  readonly #shape: TileShape;
  readonly #address: number;
  readonly #bytes: number;
  readonly #panels: readonly (DevicePanel & { readonly sums: number })[];
  readonly release: () => void;

  private constructor(
    device: StatisticDevice,
    { address, release }: HeldCopy,
    channels: number,
    shape: TileShape,
  ) {
    device.load('statistics');
    this.#device = device;
    this.#address = address;
    this.release = release;
    this.#channels = channels;
    this.#shape = shape;
    const { panels, bytes } = devicePanels(channels, shape);
    this.#bytes = bytes;
    this.#panels = panels.map((panel) => ({ ...panel, sums: address + panel.offset }));
  }

  /**
   * A copy of the sums that lie at an address, which have been read when this settles.
   *
   * @throws EsparseError where there is no room
   */
  static async copied(
    device: StatisticDevice,
    channels: number,
    shape: TileShape,
    from: number,
  ): Promise<HeldSums> {
    const copy = await heldCopy(device, from, devicePanels(channels, shape).bytes);
    return new HeldSums(device, copy, channels, shape);
  }

  /** Adds the sums of others of the same device and channels, which stay as they are. */
  merge(other: HeldSums): void {
    // What lies between panels is nobody's.
    const count = this.#bytes / 8;
    this.#device.launch('products_merge', { grid: [Math.ceil(count / THREADS)], threads: THREADS }, [
      ...[{ pointer: other.#address }, { pointer: this.#address }, { long: count }],
    ]);
  }

  /** The matrix that they are rounded to, in the device's memory. */
  matrix(products: () => Promise<MatrixProducts>): TapMatrix {
    const device = this.#device;
    const channels = this.#channels;
    const memory = device.allocate(4 * channels ** 2);
    for (const { first, width, cols, sums } of this.#panels) {
      device.launch('products_matrix', { grid: [Math.ceil(cols / THREADS), width], threads: THREADS }, [
        ...[{ pointer: sums }, { int: width }, { int: cols }, { int: PANEL }, { int: first }],
        ...[{ int: this.#shape === 'lower' ? 1 : 0 }, { pointer: memory.address }, { int: channels }],
      ]);
    }
    return deviceMatrix(device, channels, memory, products);
  }

  /** The same sums in this process's own memory. */
  async tiles(spill: Spill): Promise<TileSums> {
    const tiles = await TileSums.create(this.#channels, this.#shape, spill);
    for (const { i, j, row, col, bytes } of tilesOf(this.#channels, this.#shape)) {
      const values = new Float64Array(bytes / 8);
      const before = 8 * EXACT_SUM_DIGITS * row.width * col.first;
      this.#device.download(this.#panels[i]!.sums + before, values);
      await tiles.write(i, j, values);
    }
    return tiles;
  }
}
