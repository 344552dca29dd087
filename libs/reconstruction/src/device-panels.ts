import { EXACT_SUM_DIGITS } from '@esparse/kernels';
import { panelsOf, type Panel } from './panels.ts';
import type { TileShape } from './tile-sums.ts';

/** Panels begin at multiples of this. */
const ALIGNMENT = 256;

/** Rows of sums in the memory of a device: tile by tile, each f64 (2, width, columns of the tile). */
export interface DevicePanel extends Panel {
  /** Columns that it has, from the first on. */
  readonly cols: number;
  readonly bytes: number;
  /** Bytes before it. */
  readonly offset: number;
}

/** Where the sums of so many channels lie on devices: in one piece of memory, which another process opens at once. */
export function devicePanels(
  channels: number,
  shape: TileShape,
): { readonly panels: readonly DevicePanel[]; readonly bytes: number } {
  let offset = 0;
  const panels = panelsOf(channels).map(({ first, width }): DevicePanel => {
    const cols = shape === 'square' ? channels : first + width;
    const panel = { first, width, cols, bytes: 8 * EXACT_SUM_DIGITS * width * cols, offset };
    offset += ALIGNMENT * Math.ceil(panel.bytes / ALIGNMENT);
    return panel;
  });
  return { panels, bytes: offset };
}
