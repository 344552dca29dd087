import { ropeTables, type RopeSpec } from '@esparse/model';

/** Angles (positions x headDim / 2) of a way to turn, as the kernels take them. */
export interface Turns {
  readonly cos: Float32Array;
  readonly sin: Float32Array;
}

/**
 * The kernels turn channel j of a head with channel j + places / 2. Where only the first `rotated` channels turn, j with
 * j + rotated / 2, or where a head has fewer channels than the kernels have places, rows of q and k are put into another order
 * on the device: products of q and k do not depend on it.
 *
 * @param places channels of a head on the device
 * @returns which channel of a head stands at each place, -1: none; undefined where that is its own
 */
export function turningOrder(headDim: number, rotated: number, places: number): number[] | undefined {
  if (rotated === headDim && headDim === places) return undefined;
  const half = places / 2;
  const pairs = rotated / 2;
  const order = Array.from({ length: places }, (_, place) => {
    const within = place % half;
    return within < pairs ? within + (place < half ? 0 : pairs) : -1;
  });
  let still = rotated;
  return order.map((channel) => (channel < 0 && still < headDim ? still++ : channel));
}

/** What does not turn stands as it is, with as many places behind it as fill up; undefined where there are none. */
export function fillingOrder(headDim: number, places: number): number[] | undefined {
  if (headDim === places) return undefined;
  return Array.from({ length: places }, (_, place) => (place < headDim ? place : -1));
}

/** An order of a head for the rows of all heads; -1: none. */
export function rowsOfHeads(order: readonly number[], heads: number, headDim: number): Int32Array {
  const places = order.length;
  return Int32Array.from({ length: heads * places }, (_, at) => {
    const channel = order[at % places]!;
    return channel < 0 ? -1 : Math.floor(at / places) * headDim + channel;
  });
}

/** The elements of a vector in an order of rows, zeros where there is none. */
export function inRowOrder(vector: Float32Array, rows: Int32Array | undefined): Float32Array {
  return rows === undefined ? vector : Float32Array.from(rows, (row) => (row < 0 ? 0 : vector[row]!));
}

/** The angles of a way to turn; channels that do not turn, or all of them without one, have the angle 0. */
export function turnsOf(spec: RopeSpec | undefined, headDim: number, positions: number): Turns {
  const half = headDim / 2;
  const cos = new Float32Array(positions * half).fill(1);
  const sin = new Float32Array(positions * half);
  if (spec === undefined) return { cos, sin };
  const pairs = spec.channels / 2;
  const tables = ropeTables(spec, positions);
  for (let position = 0; position < positions; position++) {
    const [from, to] = [position * pairs, position * half];
    cos.set(tables.cos.subarray(from, from + pairs), to);
    sin.set(tables.sin.subarray(from, from + pairs), to);
  }
  return { cos, sin };
}
