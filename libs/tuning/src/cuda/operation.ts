import type { ModelDescription, RopeSpec } from '@esparse/model';
import type { Kernels } from './kernels.ts';
import type { Product } from '@esparse/cuda';
import type { LearntParameter } from './parameters.ts';
import type { Sum, Tensor } from './tensor.ts';

/** How a program's operation is computed on the device, and how its gradient is: one file an operation. */
export interface CudaOperation<Op> {
  /** Bytes of each piece of memory of its own: what is kept for the way back, or needed on the way. @default none */
  readonly memory?: (op: Op, sizes: PassSizes) => readonly number[];
  readonly forward: (op: Op, pass: Pass) => void;
  /** From the gradient of its output, and what the forward pass before it has left, to those of what it reads. */
  readonly back: (op: Op, pass: Pass) => void;
}

/** Sizes of a pass. */
export interface PassSizes {
  readonly sequences: number;
  /** Of a sequence. */
  readonly tokens: number;
  /** Tokens of all sequences. */
  readonly rows: number;
  readonly description: ModelDescription;
  /** Channels of a value. */
  readonly width: (value: string) => number;
}

/** What an operation computes with. */
export interface Pass extends PassSizes {
  readonly kernels: Kernels;
  readonly multiply: (product: Product) => void;
  /** A value of the program. */
  readonly value: (name: string) => Tensor;
  /** The same in bf16, for a matrix product: a copy where it is none. */
  readonly half: (name: string) => number;
  /** The addresses of what `memory` asked for, by the output of the operation. */
  readonly own: (output: string) => readonly number[];
  readonly parameter: (slot: string) => LearntParameter;
  /** The gradient of a value whose readers have all been gone back through. */
  readonly gradient: (name: string) => Tensor;
  /** The same in bf16. */
  readonly halfGradient: (name: string) => number;
  /** Where the gradient of a value that is read is added up; nothing where nobody asks for it. */
  readonly give: (name: string) => Sum | undefined;
  /** That of a parameter, f32; nothing where it is fixed. */
  readonly giveParameter: (slot: string) => Sum | undefined;
  /** Cosines and sines, (tokens x channels / 2). */
  readonly rope: (spec: RopeSpec) => { readonly cosines: number; readonly sines: number };
}
