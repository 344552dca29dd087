import type { Tile } from '@esparse/protocol';
import type { OperatorMeter } from './meter.ts';
import { TAP } from './names.ts';

/**
 * Passes tiles on and measures where they come from: the tap works while the next one is waited for, and is held up while
 * nobody asks for it, since statistics still have those before.
 */
export async function* measuredTiles(
  tiles: AsyncIterable<Tile>,
  meter: OperatorMeter,
): AsyncGenerator<Tile, void, undefined> {
  let leave = meter.busy(TAP);
  try {
    for await (const tile of tiles) {
      leave();
      leave = meter.blocked(TAP);
      yield tile;
      leave();
      leave = meter.busy(TAP);
    }
  } finally {
    leave();
  }
}
