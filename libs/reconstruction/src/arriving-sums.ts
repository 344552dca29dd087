import { areWhole } from '@esparse/kernels';
import { damagedState, type ArrivingPieces } from '@esparse/statistics';
import type { ProductState } from './product-sums.ts';
import { HeldSums } from './held-sums.ts';
import type { Spill } from './spill.ts';
import { TileSums, tilesOf, type TileShape } from './tile-sums.ts';

/** Sums that come from another process, tile after tile: no more than one tile is held beside what the spill has. */
export function arrivingSums(
  name: string,
  channels: number,
  { shape, spill }: { readonly shape: TileShape; readonly spill: Spill },
): ArrivingPieces<ProductState> {
  const tiles = tilesOf(channels, shape);
  let sums: TileSums | HeldSums | undefined;
  let done = 0;
  let tile = new Uint8Array(0);
  let filled = 0;
  return {
    async add(bytes) {
      for (let at = 0; at < bytes.length;) {
        const next = tiles[done];
        if (next === undefined) throw damagedState(name, 'it has more sums than pairs of channels');
        if (filled === 0 && tile.length !== next.bytes) tile = new Uint8Array(next.bytes);
        const some = Math.min(next.bytes - filled, bytes.length - at);
        tile.set(bytes.subarray(at, at + some), filled);
        at += some;
        filled += some;
        if (filled < next.bytes) return;
        const values = new Float64Array(tile.buffer);
        // What exact sums are made of; NaN is no whole number, either.
        if (!(await areWhole(values))) throw damagedState(name, 'it has a sum out of range');
        sums ??= await TileSums.create(channels, shape, spill);
        await (sums as TileSums).write(next.i, next.j, values);
        filled = 0;
        done++;
      }
    },
    async read(device, addresses) {
      const [address] = addresses;
      if (done > 0 || filled > 0 || address === undefined || addresses.length > 1)
        throw damagedState(name, `its sums are shared in ${addresses.length} pieces`);
      sums = await HeldSums.copied(device, channels, shape, address);
      done = tiles.length;
    },
    complete(state) {
      const whole = done === tiles.length && filled === 0;
      if (state.sumsDue !== true ? done > 0 || filled > 0 : !whole)
        throw damagedState(
          name,
          `${done} of ${state.sumsDue === true ? tiles.length : 0} tiles of its sums came`,
        );
      state.sums = sums;
      state.sumsDue = false;
      sums = undefined;
    },
    release() {
      sums?.release();
      sums = undefined;
    },
  };
}
