import type { HalfDtype } from '@esparse/kernels';
import { deviceArrays, type DeviceArgument, type StatisticDevice } from '@esparse/statistics';
import type { Pattern } from './pattern.ts';
import type { DeviceScores } from './shuffle.ts';

const THREADS = 256;
/** Rows that a launch has room for. */
const MAX_ROWS = 65_535;
/** As in libs/cuda/kernels/solve/outputs.cuh. */
const LANES = 16;
const ROWS_OF_THREAD = 4;
const INPUTS_OF_THREAD = 8;
const KEPT_INPUTS = 4;

/** A linear's weights in the memory of a device. */
export interface DeviceWeights {
  readonly device: StatisticDevice;
  /** (rows, cols), 16-bit floating point as its bits. */
  readonly address: number;
  readonly dtype: HalfDtype;
  readonly rows: number;
  readonly cols: number;
}

/** What a linear keeps, in the memory of a device. */
export interface DeviceMask {
  /** As `maskLinear` gives it. */
  readonly address: number;
  readonly permutation: Int32Array;
}

/** Arrays of a device: see `deviceArrays`. What is made becomes a part of those given. */
type Arrays = ReturnType<typeof deviceArrays>;

/** Some inputs of a linear: (rows, cols) f32. */
interface Inputs {
  readonly rows: number;
  readonly data: Float32Array;
}

/**
 * Copies weights to a device.
 *
 * @returns undefined where there are more rows than a launch has room for
 * @throws EsparseError 'unavailable' where the device has no room
 */
export async function weightsOn(
  device: StatisticDevice,
  arrays: Arrays,
  linear: Omit<DeviceWeights, 'device' | 'address'> & { readonly weights: Uint16Array },
): Promise<DeviceWeights | undefined> {
  const { dtype, rows, cols, weights } = linear;
  if (rows > MAX_ROWS) return undefined;
  const address = arrays.bytes(weights.byteLength);
  if (device.uploadLater === undefined) device.upload(address, weights);
  else await device.uploadLater(address, weights);
  return { device, address, dtype, rows, cols };
}

/**
 * `scoreByChannel` of @esparse/kernels on a device, to the bit.
 *
 * @returns undefined where a score is not a finite number from 0
 */
export async function scoresOn(
  weights: DeviceWeights,
  arrays: Arrays,
  importance: Float32Array,
): Promise<DeviceScores | undefined> {
  const { device, rows, cols } = weights;
  device.load('solve');
  const address = arrays.bytes(4 * rows * cols);
  const unsound = new Int32Array(1);
  const flag = arrays.of(unsound);
  device.launch('scores_by_channel', byElements(rows, cols), [
    ...[...bitsOf(weights), { pointer: arrays.of(importance) }],
    ...[{ pointer: address }, { pointer: flag }, { int: cols }],
  ]);
  await device.downloadLater(flag, unsound);
  return unsound[0] === 0 ? { device, address, rows, cols } : undefined;
}

/** `maskLinear` of scores that a device has: there, and as its bytes. */
export async function maskOn(
  { device, address, rows, cols }: DeviceScores,
  arrays: Arrays,
  permutation: Int32Array,
  { keep, group }: Pattern,
): Promise<DeviceMask & { readonly bytes: Uint8Array }> {
  const rowBytes = Math.ceil(cols / 8);
  const bytes = new Uint8Array(rows * rowBytes);
  const found = arrays.bytes(bytes.length);
  device.launch('rows_mask', byElements(rows, rowBytes), [
    ...[{ pointer: address }, { pointer: arrays.of(permutation) }, { pointer: found }, { pointer: 0 }],
    ...[{ int: cols }, { int: keep }, { int: group }],
  ]);
  await device.downloadLater(found, bytes);
  return { address: found, permutation, bytes };
}

/**
 * What a linear makes of some inputs, (inputs, rows), as `Linear.apply` of @esparse/kernels, to the bit.
 *
 * @param mask - what of its weights counts @default all
 */
export async function outputsOn(
  weights: DeviceWeights,
  { rows: inputs, data }: Inputs,
  mask?: DeviceMask,
): Promise<Float32Array> {
  const { device, rows, cols } = weights;
  const outputs = new Float32Array(inputs * rows);
  const arrays = deviceArrays(device);
  try {
    const [x, y] = [{ pointer: arrays.of(data) }, { pointer: arrays.bytes(outputs.byteLength) }];
    const shape = [{ int: rows }, { int: cols }, { int: inputs }];
    const halves = THREADS / LANES;
    if (mask === undefined) {
      const grid = [
        Math.ceil(rows / (ROWS_OF_THREAD * halves)),
        Math.ceil(inputs / INPUTS_OF_THREAD),
      ] as const;
      device.launch('outputs_dense', { grid, threads: THREADS }, [...bitsOf(weights), x, y, ...shape]);
    } else {
      const turned = { pointer: arrays.bytes(data.byteLength) };
      device.launch('outputs_turn', byElements(inputs, cols), [x, turned, { int: cols }]);
      const grid = [Math.ceil(rows / halves), Math.ceil(inputs / (LANES * KEPT_INPUTS))] as const;
      device.launch('outputs_kept', { grid, threads: THREADS }, [
        ...[...bitsOf(weights), { pointer: arrays.of(mask.permutation) }, { pointer: mask.address }],
        ...[turned, y, ...shape],
      ]);
    }
    await device.downloadLater(y.pointer, outputs);
    return outputs;
  } finally {
    arrays.release();
  }
}

function bitsOf({ address, dtype }: DeviceWeights): DeviceArgument[] {
  return [{ pointer: address }, { int: dtype === 'f16' ? 1 : 0 }];
}

function byElements(rows: number, cols: number) {
  return { grid: [Math.ceil(cols / THREADS), rows] as const, threads: THREADS };
}
