import { EXACT_SUM_DIGITS } from '@esparse/kernels';
import { panelsOf, type Panel } from './panels.ts';
import type { TileShape } from './tile-sums.ts';

/** Rows of sums in the memory of a device: tile by tile, each f64 (2, width, columns of the tile). */
export interface DevicePanel extends Panel {
  /** Columns that it has, from the first on. */
  readonly cols: number;
  readonly bytes: number;
}

/** Where the sums of so many channels lie on devices. */
export function devicePanels(channels: number, shape: TileShape): DevicePanel[] {
  return panelsOf(channels).map(({ first, width }) => {
    const cols = shape === 'square' ? channels : first + width;
    return { first, width, cols, bytes: 8 * EXACT_SUM_DIGITS * width * cols };
  });
}
