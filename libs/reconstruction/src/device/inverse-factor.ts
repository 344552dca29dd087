import { setImmediate } from 'node:timers/promises';
import type { StatisticDevice } from '@esparse/statistics';
import { FACTOR_WIDTH, inverseOfTriangle } from '../inverse-factor.ts';
import { panelsOf, type Panel } from '../panels.ts';
import { byElements, byRowElements, type Room } from './room.ts';

/**
 * `inverseFactor` on a device. The triangles on the diagonal are the host's, in f64.
 *
 * @param lower - where H lies, its rows and columns in reverse order: its memory holds U in the end
 * @throws EsparseError 'numeric' where H is not positive
 */
export async function inverseFactorOnDevice(
  device: StatisticDevice,
  lower: number,
  size: number,
  room: Room,
  signal?: AbortSignal,
): Promise<void> {
  const panels = panelsOf(size, FACTOR_WIDTH);
  const inverse = room.floats(size * size);
  const [rowsRoom, panelRoom] = [room.floats(size * FACTOR_WIDTH), room.floats(size * FACTOR_WIDTH)];
  const at = (row: number, column: number) => 4 * (row * size + column);
  // Columns of a panel, from its first row on, to where they belong in a matrix.
  const place = (columns: number, rows: number, matrix: number, { first, width }: Panel) => {
    device.launch('solve_place', byRowElements(rows, width), [
      ...[{ pointer: columns }, { pointer: matrix + at(first, 0) }],
      ...[{ int: width }, { int: size }, { int: first }],
    ]);
  };
  const corners: number[] = [];
  for (const panel of panels) {
    const { first, width } = panel;
    const rows = size - first;
    // Less what the columns to the left account for.
    if (first > 0) {
      device.multiply({
        ...{ m: rows, n: width, k: first, left: lower + at(first, 0), leftStride: size },
        ...{ right: lower + at(first, 0), rightStride: size, transposeRight: true },
        ...{
          out: lower + at(first, first),
          outStride: size,
          alpha: -1,
          beta: 1,
          inputs: 'f32',
          outputs: 'f32',
        },
      });
    }
    const take = (count: number, to: number) => {
      device.launch('solve_take', byRowElements(count, width), [
        ...[
          { pointer: lower + at(first, 0) },
          { pointer: to },
          { int: width },
          { int: size },
          { int: first },
        ],
      ]);
    };
    take(width, panelRoom);
    const square = new Float32Array(width * width);
    await device.downloadLater(panelRoom, square);
    const corner = room.of(inverseOfTriangle(square, width));
    corners.push(corner);
    // The rows of the panel, those on the diagonal included, times the inverse's transpose.
    take(rows, panelRoom);
    device.multiply({
      ...{ m: rows, n: width, k: width, left: panelRoom, right: corner, transposeRight: true, out: rowsRoom },
      ...{ inputs: 'f32', outputs: 'f32' },
    });
    place(rowsRoom, rows, lower, panel);
    await setImmediate();
    signal?.throwIfAborted();
  }
  device.fill(inverse, 0, 4 * size * size);
  for (const [p, panel] of panels.entries()) {
    const { first, width } = panel;
    const corner = corners[p]!;
    if (first > 0) {
      device.multiply({
        ...{ m: width, n: first, k: first, left: lower + at(first, 0), leftStride: size },
        ...{ right: inverse, rightStride: size, out: rowsRoom, alpha: -1, inputs: 'f32', outputs: 'f32' },
      });
      device.multiply({
        ...{ m: width, n: first, k: width, left: corner, right: rowsRoom },
        ...{ out: inverse + at(first, 0), outStride: size, inputs: 'f32', outputs: 'f32' },
      });
    }
    place(corner, width, inverse, panel);
  }
  device.launch('sparse_gpt_reverse', byElements(size * size), [
    ...[{ pointer: inverse }, { pointer: lower }, { long: size * size }],
  ]);
}
