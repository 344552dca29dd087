import type { ModelDescription, RopeSpec } from '@esparse/model';
import type { Gpu } from '../../arithmetic.ts';
import type { DeviceMatrix } from '../values.ts';

/** What an operation may ask for to launch its kernels. */
export interface RunContext {
  readonly gpu: Gpu;
  readonly description: ModelDescription;
  /** Tokens of each sequence; a matrix has those of one sequence after those of another. */
  readonly seqlen: number;
  /** A value that was made before. */
  readonly value: (name: string) => DeviceMatrix;
  /** The same in bf16, as matrix products want it. */
  readonly inBf16: (name: string) => DeviceMatrix;
  /** Of a norm, a bias, a sink: (1 x channels), f32. Of a linear: (rows x columns), bf16. */
  readonly parameter: (slot: string) => DeviceMatrix;
  /** The output of this operation, (rows x channels): in bf16 where it goes into products, else in f32. */
  readonly output: (name: string, rows: number, channels: number) => DeviceMatrix;
  /** Memory until the operation has been launched. */
  readonly scratch: (bytes: number) => number;
  /** Tables of the angles, (seqlen x channels / 2) each: addresses. */
  readonly rope: (spec: RopeSpec) => { readonly cos: number; readonly sin: number };
}

/** Launches an operation of a block's program. */
export type CudaOperation<Op> = (op: Op, context: RunContext) => void;
