import { EsparseError } from '@esparse/errors';
import {
  BLOCK_OUTPUT,
  operationOf,
  ropeTables,
  type BlockOp,
  type ModelDescription,
  type OperationName,
  type RopeSpec,
} from '@esparse/model';
import { deviceArrays, type DeviceMemory } from '@esparse/statistics';
import type { Gpu } from '../arithmetic.ts';
import { cudaOperation } from './operations/index.ts';
import type { RunContext } from './operations/operation.ts';
import { allocateMatrix, convert, type DeviceMatrix, type ElementType } from './values.ts';

/** Operations that take the residual stream, and what is added to it, in f32. */
const EXACT: ReadonlySet<OperationName> = new Set(['add', 'scale', 'rmsNorm', 'layerNorm']);

export interface ProgramOptions {
  readonly gpu: Gpu;
  readonly description: ModelDescription;
  readonly seqlen: number;
  readonly parameters: ReadonlyMap<string, DeviceMatrix>;
  readonly ropes: RopeCache;
  /** Values that are wanted: each is shown as soon as it is made, and is gone after that. */
  readonly show: ReadonlyMap<string, (value: DeviceMatrix) => void>;
}

/**
 * Launches the operations of a block over whole sequences; only what the wanted values need is to be among them. Values
 * that go into products are bf16, all others f32. A value's memory is used again after its last reader.
 *
 * @param inputs values that are there before; they are left as they are
 */
export function runProgram(
  program: readonly BlockOp[],
  inputs: ReadonlyMap<string, DeviceMatrix>,
  { gpu, description, seqlen, parameters, ropes, show }: ProgramOptions,
): void {
  const values = new Map(inputs);
  const roundings = new Map<string, DeviceMatrix>();
  const readers = readersOf(program);
  const forget = (name: string) => {
    const of = [roundings.get(name), inputs.has(name) ? undefined : values.get(name)];
    for (const matrix of of) if (matrix !== undefined) gpu.release(matrix.memory);
    roundings.delete(name);
    values.delete(name);
  };
  const value = (name: string): DeviceMatrix => {
    const found = values.get(name);
    if (found === undefined) throw new EsparseError('internal', `no value '${name}' on the GPU`);
    return found;
  };
  try {
    for (const [at, op] of program.entries()) {
      const scratches: DeviceMemory[] = [];
      const context: RunContext = {
        gpu,
        description,
        seqlen,
        value,
        inBf16: (name) => {
          const given = value(name);
          if (given.type === 'bf16') return given;
          const known = roundings.get(name);
          if (known !== undefined) return known;
          const made = allocateMatrix(gpu, given.rows, given.channels, 'bf16');
          roundings.set(name, made);
          convert(gpu, given, made);
          return made;
        },
        parameter: (slot) => parameters.get(slot)!,
        output: (name, rows, channels) => {
          const made = allocateMatrix(gpu, rows, channels, typeOf(name, program));
          values.set(name, made);
          return made;
        },
        scratch: (bytes) => {
          const memory = gpu.allocate(bytes);
          scratches.push(memory);
          return memory.address;
        },
        rope: (spec) => ropes.tables(spec),
      };
      try {
        cudaOperation(op)!(op, context);
      } finally {
        for (const memory of scratches) gpu.release(memory);
      }
      show.get(op.output)?.(value(op.output));
      for (const name of new Set([...operationOf(op).inputs(op), op.output])) {
        if ((readers.get(name) ?? -1) <= at) forget(name);
      }
    }
  } finally {
    for (const name of [...values.keys()]) forget(name);
  }
}

/** The last operation that reads each value. */
function readersOf(program: readonly BlockOp[]): ReadonlyMap<string, number> {
  const last = new Map<string, number>();
  for (const [at, op] of program.entries()) for (const name of operationOf(op).inputs(op)) last.set(name, at);
  return last;
}

/** What a value is kept in. */
function typeOf(name: string, program: readonly BlockOp[]): ElementType {
  if (name === BLOCK_OUTPUT) return 'f32';
  const readers = program.filter((op) => operationOf(op).inputs(op).includes(name));
  const exact = readers.length > 0 && readers.every(({ op }) => EXACT.has(op));
  return exact ? 'f32' : 'bf16';
}

/** Rotary tables on the GPU, made at their first use. */
export interface RopeCache {
  tables(spec: RopeSpec): { readonly cos: number; readonly sin: number };
  release(): void;
}

export function createRopeCache(gpu: Gpu, seqlen: number): RopeCache {
  const made = new Map<RopeSpec, { readonly cos: number; readonly sin: number; release(): void }>();
  return {
    tables(spec) {
      let tables = made.get(spec);
      if (tables === undefined) {
        const { cos, sin } = ropeTables(spec, seqlen);
        const arrays = deviceArrays(gpu);
        tables = { cos: arrays.of(cos), sin: arrays.of(sin), release: arrays.release };
        made.set(spec, tables);
      }
      return tables;
    },
    release() {
      for (const { release } of made.values()) release();
      made.clear();
    },
  };
}
