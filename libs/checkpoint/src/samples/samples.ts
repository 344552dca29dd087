import { createHash } from 'node:crypto';
import { readdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { EsparseError, isEsparseError, messageOf } from '@esparse/errors';
import type { GraphValue } from '../onnx/describe.ts';
import { ELEMENT } from '../onnx/messages.ts';
import { readNpy, type ArrayValue } from './npy.ts';
import { readZip } from './zip.ts';

/** Files of data at most, and their bytes together. */
const MAX_FILES = 100_000;
const MAX_BYTES = 2 ** 32 - 1;

/** What a graph is run on: one after the other. */
export interface Samples {
  readonly count: number;
  /** The inputs of a sample, by name. */
  sample(index: number): ReadonlyMap<string, ArrayValue>;
  /** Arrays that are no inputs, such as labels. */
  readonly others: ReadonlyMap<string, ArrayValue>;
  /** SHA-256 of the first so many samples. */
  digest(count: number): string;
}

export interface SamplesOptions {
  /** What the graph takes. */
  readonly inputs: readonly GraphValue[];
  /** Names of arrays that may be there beside. @default none */
  readonly beside?: readonly string[] | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Reads data for a graph: a .npz file with an array for each input, or a folder of .npy files, which are arrays of those
 * names or else, in the order of their names, samples of the only input. An array with one axis more than the input is of
 * that many samples; one with as many is cut along its first axis, into pieces as long as the input is there, or 1 where its
 * length is free. An array of one sample belongs to all.
 *
 * @throws EsparseError 'text' for files that cannot be read, and for names, types and shapes that do not fit, 'numeric' for NaN
 */
export async function openSamples(
  location: string,
  { inputs, beside = [], signal }: SamplesOptions,
): Promise<Samples> {
  const arrays = await readArrays(location, inputs, signal);
  const known = new Set(inputs.map(({ name }) => name));
  for (const name of arrays.keys()) {
    if (known.has(name) || beside.includes(name)) continue;
    throw new EsparseError('text', `${location}: the graph has no input '${name}'`, {
      hint: inputsInWords(inputs),
    });
  }
  const pieces = inputs.map((input) => {
    const parts = arrays.get(input.name);
    if (parts === undefined) {
      throw new EsparseError('text', `${location} has no array '${input.name}'`, {
        hint: inputsInWords(inputs),
      });
    }
    return { name: input.name, samples: parts.flatMap((array) => samplesIn(array, input, location)) };
  });
  const count = Math.max(...pieces.map(({ samples }) => samples.length));
  for (const { name, samples } of pieces) {
    if (samples.length === 1 || (samples.length === count && count > 0)) continue;
    throw new EsparseError(
      'text',
      `${location}: '${name}' has ${samples.length} samples, and others have ${count}`,
    );
  }
  const sample = (index: number) =>
    new Map(pieces.map(({ name, samples }) => [name, samples[samples.length === 1 ? 0 : index]!]));
  return {
    count,
    sample,
    others: new Map(
      beside.flatMap((name) => (arrays.get(name) ?? []).slice(0, 1).map((array) => [name, array])),
    ),
    digest(used) {
      const hash = createHash('sha256');
      for (let i = 0; i < used; i++) {
        for (const [name, { type, shape, bytes }] of sample(i)) {
          hash.update(`${JSON.stringify([name, type, shape])}\n`).update(bytes);
        }
      }
      return hash.digest('hex');
    },
  };
}

/** The arrays of each name: several where a folder has a file for each sample. */
async function readArrays(
  location: string,
  inputs: readonly GraphValue[],
  signal?: AbortSignal,
): Promise<Map<string, ArrayValue[]>> {
  const found = await onData(location, () => stat(location));
  if (!found.isDirectory()) {
    if (found.size > MAX_BYTES)
      throw new EsparseError('text', `${location} has ${found.size} bytes, more than ${MAX_BYTES}`);
    const bytes = await onData(location, () => readFile(location, signal && { signal }));
    if (/\.npy$/i.test(location)) return single(location, inputs, [readNpy(bytes, location)]);
    const entries = readZip(bytes, location).filter(({ name }) => name.endsWith('.npy'));
    return new Map(
      entries.map(({ name, bytes: entry }) => [name.slice(0, -4), [readNpy(entry, `${location}: ${name}`)]]),
    );
  }
  const files = (await onData(location, () => readdir(location)))
    .filter((name) => name.endsWith('.npy'))
    .sort();
  if (files.length === 0 || files.length > MAX_FILES) {
    throw new EsparseError('text', `${location} has ${files.length} .npy files: expected 1 to ${MAX_FILES}`);
  }
  const arrays: ArrayValue[] = [];
  let total = 0;
  for (const name of files) {
    const file = path.join(location, name);
    total += (await onData(file, () => stat(file))).size;
    if (total > MAX_BYTES)
      throw new EsparseError('text', `${location} has more than ${MAX_BYTES} bytes of .npy files`);
    arrays.push(readNpy(await onData(file, () => readFile(file, signal && { signal })), file));
  }
  const names = files.map((name) => name.slice(0, -4));
  const isNamed = inputs.every(({ name }) => names.includes(name));
  return isNamed ? new Map(names.map((name, i) => [name, [arrays[i]!]])) : single(location, inputs, arrays);
}

function single(
  location: string,
  inputs: readonly GraphValue[],
  arrays: ArrayValue[],
): Map<string, ArrayValue[]> {
  if (inputs.length === 1) return new Map([[inputs[0]!.name, arrays]]);
  throw new EsparseError(
    'text',
    `${location}: the graph has ${inputs.length} inputs, and no file is named for each`,
    {
      hint: inputsInWords(inputs),
    },
  );
}

/** The samples of an array, checked. */
function samplesIn(array: ArrayValue, input: GraphValue, location: string): ArrayValue[] {
  const { name, type, shape: wanted } = input;
  const { shape, bytes } = array;
  const refuse = (why: string): never => {
    throw new EsparseError('text', `${location}: array '${name}' ${why}`, { hint: inputsInWords([input]) });
  };
  if (array.type !== type)
    refuse(`is of ${TYPE_NAMES[array.type] ?? array.type}, and the graph takes ${TYPE_NAMES[type] ?? type}`);
  const axes = wanted?.length ?? shape.length;
  const stacked = shape.length === axes + 1;
  if (!stacked && shape.length !== axes) refuse(`is [${shape.join()}]`);
  const length = wanted?.[0];
  const each = stacked || shape.length === 0 ? 1 : typeof length === 'number' && length > 0 ? length : 1;
  const all = shape.length === 0 ? 1 : shape[0]!;
  if (all === 0 || all % each !== 0) refuse(`is [${shape.join()}]`);
  const own = stacked ? shape.slice(1) : shape.length === 0 ? [] : [each, ...shape.slice(1)];
  wanted?.forEach((size, axis) => {
    if (typeof size === 'number' && size > 0 && own[axis] !== size) refuse(`is [${shape.join()}]`);
  });
  if (!isFinite(array)) {
    throw new EsparseError('numeric', `${location}: array '${name}' has numbers that are NaN or infinite`);
  }
  const count = all / each;
  const size = bytes.length / count;
  return Array.from({ length: count }, (_, i) => ({
    type,
    shape: own,
    bytes: bytes.slice(i * size, (i + 1) * size),
  }));
}

function isFinite({ type, bytes: { buffer, byteOffset, byteLength } }: ArrayValue): boolean {
  if (type === ELEMENT.FLOAT)
    return new Float32Array(buffer, byteOffset, byteLength / 4).every(Number.isFinite);
  if (type === ELEMENT.DOUBLE)
    return new Float64Array(buffer, byteOffset, byteLength / 8).every(Number.isFinite);
  if (type !== ELEMENT.FLOAT16) return true;
  return new Uint16Array(buffer, byteOffset, byteLength / 2).every((bits) => (bits & 0x7c00) !== 0x7c00);
}

const TYPE_NAMES: Readonly<Record<number, string>> = Object.fromEntries(
  Object.entries(ELEMENT).map(([name, type]) => [
    type,
    name
      .toLowerCase()
      .replace(/^float$/, 'float32')
      .replace('double', 'float64'),
  ]),
);

function inputsInWords(inputs: readonly GraphValue[]): string {
  const words = inputs.map(
    ({ name, type, shape }) =>
      `${name}, ${TYPE_NAMES[type] ?? `type ${type}`} [${shape?.map((size) => size ?? '?').join() ?? '...'}]`,
  );
  return `the graph takes ${words.join('; ')}`;
}

async function onData<T>(file: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (isEsparseError(error)) throw error;
    throw new EsparseError('text', `${file} cannot be read: ${messageOf(error)}`, { cause: error });
  }
}
