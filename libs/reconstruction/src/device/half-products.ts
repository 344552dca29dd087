import type { StatisticDevice } from '@esparse/statistics';
import { byRowElements, type Room } from './room.ts';

/** Products of directions with one symmetric matrix, (cols, cols), for `rows` rows at a time. */
export interface HalfProducts {
  /** Channels of a row of directions: `cols` up to a multiple of eight, which is 16 bytes. */
  readonly padded: number;
  /** (cols), f32: what a direction's channel is multiplied by, a power of two. */
  readonly lift: number;
  /** out = direction H, (rows, cols) in f32, scaled: see `survivors.cuh`. Addresses. */
  multiply(parts: number, out: number): void;
}

/** A matrix in a device's memory. */
interface SymmetricMatrix {
  readonly matrix: number;
  readonly rows: number;
  readonly cols: number;
  /** (cols): one over its diagonal, about. */
  readonly scale: Float32Array;
}

/**
 * Products on the tensor cores in which 22 of the 24 bits of f32 count: each factor is the sum of two f16, and high times low, low times
 * high and high times high are added up in f32, the small ones first. Both factors are scaled by powers of two, so that a diagonal entry
 * of H is about one, whatever its channel is like.
 */
export function halfProducts(
  device: StatisticDevice,
  { matrix, rows, cols, scale }: SymmetricMatrix,
  room: Room,
): HalfProducts {
  const padded = 8 * Math.ceil(cols / 8);
  const lift = room.of(scale.map((value) => 2 ** Math.round(-Math.log2(value) / 2)));
  const halves = room.bytes(2 * 2 * padded * cols);
  device.launch('halves_matrix', byRowElements(cols, padded), [
    ...[{ pointer: matrix }, { pointer: lift }, { pointer: halves }, { int: cols }, { int: padded }],
  ]);
  return {
    padded,
    lift,
    multiply(parts, out) {
      // A row of directions is high, low; one of the matrix low, high.
      const sizes = { m: rows, n: cols, leftStride: 2 * padded, rightStride: 2 * padded };
      const factors = { left: parts, transposeRight: true, out, inputs: 'f16', outputs: 'f32' } as const;
      device.multiply({ ...sizes, ...factors, k: 2 * padded, right: halves });
      device.multiply({ ...sizes, ...factors, k: padded, right: halves + 2 * padded, beta: 1 });
    },
  };
}
