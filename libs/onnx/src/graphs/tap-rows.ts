import type { TapSource } from '@esparse/checkpoint';
import { EsparseError } from '@esparse/errors';
import { floatsOf } from './state.ts';
import type { TensorValue } from './tensor-session.ts';
import { windowsOf, type TapRows } from './windows.ts';

/** The values that a tap is made of. */
export function valuesOf(source: TapSource): string[] {
  return source.from === 'states' && source.initial !== undefined
    ? [source.value, source.initial]
    : [source.value];
}

/**
 * The inputs of a linear for one sample, (rows x channels), in memory of their own.
 * @throws EsparseError 'unsupported' where a value has not the channels that the weights have
 */
export function tapRows(
  source: TapSource,
  channels: number,
  values: ReadonlyMap<string, TensorValue>,
): TapRows {
  const value = values.get(source.value);
  if (value === undefined) throw new EsparseError('internal', `no value '${source.value}'`);
  const data = floatsOf(source.value, value);
  const made = matrixOf(source, data, value.shape, values);
  if (made.channels === channels) return made;
  throw new EsparseError(
    'unsupported',
    `value '${source.value}' is [${value.shape.join()}]: its ${made.channels} channels are not the ${channels} of the weights`,
  );
}

function matrixOf(
  source: TapSource,
  data: Float32Array,
  shape: readonly number[],
  values: ReadonlyMap<string, TensorValue>,
): TapRows {
  if (source.from === 'windows') return windowsOf(data, shape, source);
  const channels = shape.at(-1) ?? 0;
  if (source.from === 'rows')
    return { rows: channels === 0 ? 0 : data.length / channels, channels, data: data.slice() };
  // (time, directions, batch, channels), one step late.
  const [time = 0, directions = 0, batch = 0] = shape;
  const { initial: name, direction, backwards } = source;
  const size = batch * channels;
  const late = new Float32Array(time * size);
  const initial = name === undefined ? undefined : values.get(name);
  if (name !== undefined && initial !== undefined) {
    const first = floatsOf(name, initial).subarray(direction * size, (direction + 1) * size);
    late.set(first, backwards ? (time - 1) * size : 0);
  }
  for (let step = 0; step + 1 < time; step++) {
    const [from, to] = backwards ? [step + 1, step] : [step, step + 1];
    const at = (from * directions + direction) * size;
    late.set(data.subarray(at, at + size), to * size);
  }
  return { rows: time * batch, channels, data: late };
}
