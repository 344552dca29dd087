import type { StatisticDevice } from '@esparse/statistics';
import { ROWS_AT_ONCE } from '../survivors.ts';
import type { Room } from './room.ts';

/** Rows of a linear in a device's memory: addresses. Matrices are (rows, cols). */
export interface DeviceRows {
  /** How many: equal products of one size have equal bits, so the last rows of a linear are filled up by some that survive nowhere. */
  readonly rows: number;
  readonly cols: number;
  /** f32: the dense weights. */
  readonly weights: number;
  /** A byte each: 1 where a weight survives. */
  readonly kept: number;
  /** f32: what is added to the right-hand side; 0 where that is nothing. */
  readonly shift: number;
  /** f32. */
  readonly solution: number;
  /** f32, with anything in them. */
  readonly scratch: readonly [number, number];
}

/** Takes memory for the rows that a device works on together. */
export function takeRows(
  room: Room,
  { rows: all, cols }: { readonly rows: number; readonly cols: number },
  hasShift: boolean,
): DeviceRows {
  const rows = Math.min(all, ROWS_AT_ONCE);
  const floats = () => room.floats(rows * cols);
  return {
    ...{ rows, cols, weights: floats(), kept: room.bytes(rows * cols) },
    ...{ shift: hasShift ? floats() : 0, solution: floats(), scratch: [floats(), floats()] },
  };
}

/** Rows of a linear that a device works on together. */
export interface RowPart {
  readonly count: number;
  /** These rows of a matrix that has so many elements in each. @default cols */
  of<Matrix extends Float32Array | Uint16Array | Uint8Array>(matrix: Matrix, each?: number): Matrix;
  /** Copies these rows of such a matrix to the device; what is left there is zeros. */
  place(to: number, matrix: Float32Array | Uint16Array | Uint8Array, each?: number): void;
  /** The same without holding this thread, beside what the device is asked for next. */
  bring(to: number, matrix: Uint16Array | Uint8Array, each?: number): Promise<void>;
}

/** The rows of a linear, in parts. */
export function rowParts(
  device: StatisticDevice,
  { rows, cols }: { readonly rows: number; readonly cols: number },
): RowPart[] {
  const most = Math.min(rows, ROWS_AT_ONCE);
  return Array.from({ length: Math.ceil(rows / most) }, (_, i) => {
    const first = i * most;
    const count = Math.min(most, rows - first);
    const of: RowPart['of'] = (matrix, each = cols) =>
      matrix.subarray(first * each, (first + count) * each) as typeof matrix;
    const place: RowPart['place'] = (to, matrix, each = cols) => {
      if (count < most) device.fill(to, 0, matrix.BYTES_PER_ELEMENT * most * each);
      device.upload(to, of(matrix, each));
    };
    return {
      ...{ count, of, place },
      async bring(to, matrix, each) {
        if (count < most || device.uploadLater === undefined) place(to, matrix, each);
        else await device.uploadLater(to, of(matrix, each));
      },
    };
  });
}
