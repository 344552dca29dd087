import type { HalfDtype } from './widen.ts';

/** What a kernel of the addon may take, by the names that `native/runtime/arguments.h` gives its kinds. */
interface ArgumentKinds {
  readonly f32: Float32Array;
  readonly 'f32?': Float32Array | null;
  readonly f64: Float64Array;
  readonly i32: Int32Array;
  readonly 'i32?': Int32Array | null;
  readonly u32: Uint32Array;
  readonly u16: Uint16Array;
  readonly u8: Uint8Array;
  readonly 'u8?': Uint8Array | null;
  readonly 'u16|f32': Uint16Array | Float32Array;
  /** A whole number from 0 to 2^48. */
  readonly size: number;
  readonly number: number;
  readonly dtype: HalfDtype | 'f32';
  /** One integer, not 0 once the kernel shall end early. */
  readonly cancel: Int32Array;
  /** Its name. */
  readonly instructionSet: string;
  /** What `createCompute` gave. */
  readonly compute: object;
  /** What `createPackedLinear`, `createQuantizedLinear` or `createDenseLinear` gave. */
  readonly linear: object;
}

/** The arguments of a kernel: their names, and of what kind each is. */
export type Signature = Readonly<Record<string, keyof ArgumentKinds>>;

/** A kernel of the addon: it takes its arguments by name. */
export type Kernel<S extends Signature, Result> = (args: {
  readonly [Name in keyof S]: ArgumentKinds[S[Name]];
}) => Result;

/** The kernels of a table of signatures, given what each returns. */
export type KernelsOf<
  Table extends Readonly<Record<string, Signature>>,
  Results extends Readonly<Record<keyof Table, unknown>>,
> = { readonly [Name in keyof Table]: Kernel<Table[Name], Results[Name]> };

/**
 * A native function as a kernel: arguments by name become those of the function, in the order that the addon states. (Reading
 * them by name over there would take several times as long.)
 */
export function bindKernel(
  call: (...args: unknown[]) => unknown,
  names: readonly string[],
): (args: Readonly<Record<string, unknown>>) => unknown {
  return (args) => call(...names.map((name) => args[name]));
}
