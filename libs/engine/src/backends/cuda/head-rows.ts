import { deviceHeadDim } from '@esparse/cuda';
import type { DecoderProgram } from './decoder-program.ts';
import { fillingOrder, rowsOfHeads, turningOrder } from './turning-rows.ts';

/** Which row of q, k and v stands at each place on the device. */
export interface HeadRows {
  readonly query: Int32Array;
  readonly key: Int32Array;
  readonly value: Int32Array | undefined;
}

/** The rows of a program's heads; undefined: as they are stored. */
export function headRowsOf({ shape, rotated }: DecoderProgram): HeadRows | undefined {
  const { heads, kvHeads, headDim } = shape;
  const places = deviceHeadDim(headDim);
  const turning = turningOrder(headDim, rotated, places);
  if (turning === undefined) return undefined;
  const filling = fillingOrder(headDim, places);
  return {
    query: rowsOfHeads(turning, heads, headDim),
    key: rowsOfHeads(turning, kvHeads, headDim),
    value: filling && rowsOfHeads(filling, kvHeads, headDim),
  };
}
