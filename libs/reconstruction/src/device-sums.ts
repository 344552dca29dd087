import { EXACT_SUM_DIGITS } from '@esparse/kernels';
import {
  deviceArrays,
  refusedOf,
  tileArguments,
  type DeviceMemory,
  type DeviceTile,
  type StatisticDevice,
} from '@esparse/statistics';
import { devicePanels } from './device-panels.ts';
import { PANEL } from './panels.ts';
import { tooLarge } from './product-checks.ts';
import { AT_ONCE, tilesOf, type TileShape } from './tile-sums.ts';

/** Threads of a block of the kernels. */
const THREADS = 256;
const BYTES = { f32: 4, bf16: 2 } as const;

/** Exact sums of leftᵀ right over sequences in the memory of a GPU: in tiles, as `TileSums` has them. */
export interface DeviceSums {
  /** Adds each sequence of a tile: its product with itself, or that of what it has drifted by with it. */
  add(tile: DeviceTile): void;
  /** Waits. @throws EsparseError 'numeric' for a product that no sum can hold */
  check(): void;
  /** The sums of a tile, by its number; undefined behind the last. */
  tile(index: number): Uint8Array | undefined;
  /** Where they lie: see `devicePanels`. */
  readonly address: number;
  release(): void;
}

/** A factor of a product: rows of all channels. */
interface Factor {
  readonly address: number;
  readonly type: 'f32' | 'bf16';
}

/**
 * Opens sums of nothing. A sequence's product is cuBLASLt's, a panel of rows at a time, so its bits depend on the sequence and
 * the device alone; products are added as `addExactly` does.
 *
 * @param shape 'lower' for products of a tile with itself; 'square' for those of dense - own with own
 */
export function createDeviceSums(
  device: StatisticDevice,
  channels: number,
  { name, shape }: { readonly name: string; readonly shape: TileShape },
): DeviceSums {
  device.load('statistics');
  const arrays = deviceArrays(device);
  const refusal = arrays.refusal();
  const layout = devicePanels(channels, shape);
  const base = arrays.zeros(layout.bytes);
  const panels = layout.panels.map((panel) => ({ ...panel, sums: base + panel.offset }));
  const tiles = tilesOf(channels, shape);

  const addProducts = ({ rows, seqlen }: DeviceTile, lefts: readonly Factor[], right: Factor) => {
    const sequences = rows / seqlen;
    const bytes = 4 * Math.min(AT_ONCE, sequences) * panels[0]!.width * channels;
    withMemory(device, [bytes], ([room]) => {
      addPanels(room!, sequences, seqlen, lefts, right);
    });
  };
  const addPanels = (
    room: number,
    sequences: number,
    seqlen: number,
    lefts: readonly Factor[],
    right: Factor,
  ) => {
    for (const { first, width, cols, sums } of panels) {
      for (let from = 0; from < sequences; from += AT_ONCE) {
        const count = Math.min(AT_ONCE, sequences - from);
        for (let s = 0; s < count; s++) {
          const row = (from + s) * seqlen * channels;
          for (const [i, left] of lefts.entries()) {
            device.multiply({
              ...{ m: width, n: cols, k: seqlen, transposeLeft: true },
              left: left.address + BYTES[left.type] * (row + first),
              right: right.address + BYTES[right.type] * row,
              ...{ leftStride: channels, rightStride: channels, inputs: right.type, outputs: 'f32' },
              out: room + 4 * s * width * cols,
              beta: i > 0 ? 1 : 0,
            });
          }
        }
        device.launch('products_add', { grid: [Math.ceil(cols / THREADS), width], threads: THREADS }, [
          ...[{ pointer: room }, { int: count }, { int: width }, { int: cols }, { int: PANEL }],
          ...[{ pointer: sums }, { int: first }, { pointer: refusal }],
        ]);
      }
    }
  };

  return {
    add(tile) {
      const { address, type, rows, dense } = tile;
      const own = { address, type };
      if (shape === 'lower') {
        addProducts(tile, [own], own);
        return;
      }
      if (dense === undefined) return;
      // The difference of bf16 is as good as exact as a sum of two; one product less the other would lose digits.
      const bytes = BYTES[type] * rows * channels;
      const eights = (rows * channels) / 8;
      withMemory(device, type === 'bf16' ? [bytes, bytes] : [bytes], (parts) => {
        device.launch('products_difference', { grid: [Math.ceil(eights / THREADS)], threads: THREADS }, [
          ...[{ pointer: dense }, ...tileArguments(tile)],
          ...[{ pointer: parts[0]! }, { pointer: parts.at(-1)! }, { long: eights }],
        ]);
        addProducts(
          tile,
          parts.map((part) => ({ address: part, type })),
          own,
        );
      });
    },
    check() {
      const refused = refusedOf(device, refusal);
      if (refused !== undefined) throw tooLarge(name, refused);
    },
    tile(index) {
      const tile = tiles[index];
      if (tile === undefined) return undefined;
      const { sums, width } = panels[tile.i]!;
      const bytes = new Uint8Array(tile.bytes);
      device.download(sums + 8 * EXACT_SUM_DIGITS * width * tile.col.first, bytes);
      return bytes;
    },
    address: base,
    release: arrays.release,
  };
}

/** Works with pieces of a device's memory; what was asked for may still use them. */
function withMemory(
  device: StatisticDevice,
  sizes: readonly number[],
  work: (addresses: readonly number[]) => void,
): void {
  const held: DeviceMemory[] = [];
  try {
    for (const bytes of sizes) held.push(device.allocate(bytes));
    work(held.map(({ address }) => address));
  } finally {
    for (const memory of held) device.release(memory);
  }
}
